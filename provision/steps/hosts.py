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
    """Names for an address in /etc/hosts.

        hosts.hosts_entry(c, "10.0.0.7", ["db.internal", "db"])

    address: IPv4 or IPv6.  names: one or several; the first one is the canonical name, which is put first in
    the line. None, or no names, removes the address.
    The names are removed from other addresses of the same family, because the first line with a name wins;
    other names of the same address stay. Comments and all other lines stay too.  Source: hosts(5).
    """

    address: str
    names: Union[str, Sequence[str], None] = ()

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
            raise ValueError("localhost must be this host, not %s" % self.address)
        if found.is_loopback and not self._names() and str(found) in ("127.0.0.1", "::1"):
            raise ValueError("refusing to remove the host's own address")
        if len(set(self._names())) != len(self._names()):
            raise ValueError("a name is given twice")

    def check(self, host: "System") -> Diff:
        why = "has %s" % listed(self._names()) if self._names() else "is not in %s" % PATH
        if not self._names() and not host.files.exists(PATH):
            return Diff.none(why)
        return self._file(host).check(host) or Diff.none(why)

    def apply(self, host: "System", diff: Diff) -> None:
        self._file(host).apply(host, diff)

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(PATH) if host.files.exists(PATH) else "absent"

    def _names(self) -> List[str]:
        return [self.names] if isinstance(self.names, str) else list(self.names or ())

    def _file(self, host: "System") -> File:
        old = host.files.read(PATH).decode(errors="surrogateescape") if host.files.exists(PATH) else FIRST
        new = self._text(old)
        return File(PATH, new.encode(errors="surrogateescape"))

    def _text(self, old: str) -> str:
        """The file as it should be: of lines that need not change, nothing does."""
        names = self._names()
        # RFC 952: names are the same in upper and lower case
        same_names = {name.lower() for name in names}
        lines = old.split("\n")
        if lines[-1] == "":
            lines.pop()
        end = "\r" if lines and lines[0].endswith("\r") else ""
        # the resolver takes an address without names for the first answer: it gets the names
        least = 1 if names else 2
        ours = [n for n, line in enumerate(lines) if is_for(line, self.address, least)]
        there = {name for n in ours for name in words_of(lines[n])[1:]}
        as_wanted = ours and words_of(lines[ours[0]])[1:2] == names[:1] if names else not ours
        new = []
        for n, line in enumerate(lines):
            address, *known = words_of(line)
            if n in ours and not names:
                continue
            if n in ours and not (as_wanted and set(names) <= there):
                # all of them in the first line, the canonical name before all others
                others = [name for name in known if name.lower() not in same_names]
                known = [*names, *others] if n == ours[0] else others
            elif n not in ours and (":" in address) == (":" in self.address):
                known = [name for name in known if name.lower() not in same_names]
            if known == words_of(line)[1:]:
                new.append(line)
            elif known:
                new.append(with_words(line, address, known))
        if names and not ours:
            new.append(" ".join([self.address, *names]) + end)
        text = "".join(line + "\n" for line in new)
        return old if text.rstrip("\n") == old.rstrip("\n") else text


hosts_entry = step(HostsEntry)


def same(one: str, other: str) -> bool:
    """Whether two texts are the same address."""
    import ipaddress

    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        # an address with a scope, "fe80::1%lo0": not one of ours on every Python
        return one == other


def words_of(line: str) -> List[str]:
    """Address and names of a line; an address of "" if there is neither."""
    return line.partition("#")[0].split() or [""]


def is_for(line: str, address: str, least: int) -> bool:
    """Whether a line is about an address. least: words that it has at least, the address among them."""
    words = words_of(line)
    return len(words) >= least and same(words[0], address)


def with_words(line: str, address: str, names: Sequence[str]) -> str:
    """A line with other names; its comment and its end stay."""
    text, mark, comment = line.partition("#")
    rest = " " + mark + comment if mark else "\r" if text.endswith("\r") else ""
    return " ".join([address, *names]) + rest
