"""Names and addresses in /etc/hosts. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Sequence, Union

from provision.steps.base import Diff, Step, listed, step, wanted
from provision.steps.files import File

if TYPE_CHECKING:
    from provision.system.host import System

PATH = "/etc/hosts"
#: hostname(7), upper case and underscores allowed as hosts(5) has them in the wild
NAME = re.compile(r"^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})?(\.[A-Za-z0-9_-]{1,63})*\Z")
FIRST = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


@wanted()
class HostsEntry(Step):
    """Names that this host knows by /etc/hosts, and their address.

        hosts.hosts_entry(c, "10.0.0.7", ["db.internal", "db"])

    address: IPv4 or IPv6.  names: one or several; the first one is the canonical name. None removes what
    the file has for this address.
    The names are taken off other addresses of the same family, because the first line with a name counts;
    other names of the same address stay. Comments and all other lines stay too.  Source: hosts(5).
    """

    address: str
    names: Union[str, Sequence[str]] = ()

    def label(self) -> str:
        return "hosts entry %s" % self.address

    def validate(self) -> None:
        import ipaddress

        try:
            found = ipaddress.ip_address(self.address)
        except ValueError:
            raise ValueError("%r is not an address" % (self.address,)) from None
        for name in self._names():
            if not isinstance(name, str) or not NAME.match(name):
                raise ValueError("%r is not a host name" % (name,))
        if "localhost" in self._names() and not found.is_loopback:
            raise ValueError("localhost must be this host: %s is not" % self.address)
        if found.is_loopback and not self._names() and str(found) in ("127.0.0.1", "::1"):
            raise ValueError("refusing to take away the host's own address")
        if len(set(self._names())) != len(self._names()):
            raise ValueError("a name is given twice")

    def check(self, host: "System") -> Diff:
        why = "has %s" % listed(self._names()) if self._names() else "is not in %s" % PATH
        return self._file(host).check(host) or Diff.none(why)

    def apply(self, host: "System", diff: Diff) -> None:
        self._file(host).apply(host, diff)

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(PATH) if host.files.exists(PATH) else "absent"

    def _names(self) -> List[str]:
        return [self.names] if isinstance(self.names, str) else list(self.names)

    def _file(self, host: "System") -> File:
        old = host.files.read(PATH).decode(errors="surrogateescape") if host.files.exists(PATH) else FIRST
        names = self._names()
        lines: List[str] = []
        missing = list(names)
        last = -1
        for line in old.splitlines():
            text, mark, comment = line.partition("#")
            words = text.split()
            if len(words) < 2:
                lines.append(line)
            elif same(words[0], self.address):
                if names:
                    missing = [name for name in missing if name not in words[1:]]
                    lines.append(line)
                    last = len(lines) - 1
            elif (":" in words[0]) == (":" in self.address) and set(words[1:]) & set(names):
                kept = [word for word in words[1:] if word not in names]
                if kept:
                    lines.append(" ".join([words[0], *kept]) + (" " + mark + comment if mark else ""))
            else:
                lines.append(line)
        if missing and last >= 0 and len(missing) < len(names):
            text, mark, comment = lines[last].partition("#")
            lines[last] = text.rstrip() + " " + " ".join(missing) + (" " + mark + comment if mark else "")
        elif missing:
            lines.insert(last if last >= 0 else len(lines), " ".join([self.address, *names]))
        new = "".join(line + "\n" for line in lines)
        if new.rstrip("\n") == old.rstrip("\n") and host.files.exists(PATH):
            new = old
        return File(PATH, new.encode(errors="surrogateescape"))


hosts_entry = step(HostsEntry)


def same(one: str, other: str) -> bool:
    """Whether two texts are the same address."""
    import ipaddress

    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        # an address with a scope, "fe80::1%lo0": not one of ours on every Python
        return one == other
