"""A host's name and time zone. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, step, wanted
from provision.steps.hosts import FIRST, with_words, words_of

if TYPE_CHECKING:
    from provision.system.host import System

#: hostname(7): labels of letters, digits and hyphens
HOSTNAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$")

WRITTEN = "/etc/timezone"


@wanted()
class Hostname(Step):
    """The host's name: in /etc/hostname, in the kernel, and as 127.0.1.1 in /etc/hosts (Debian's way)."""

    name: str

    def label(self) -> str:
        return "hostname %s" % self.name

    def validate(self) -> None:
        if not HOSTNAME.fullmatch(self.name) or len(self.name) > 64:
            raise ValueError("%r is not a host name" % self.name)

    def check(self, host: "System") -> Diff:
        found = []
        written = self._written(host)
        if written != self.name:
            found.append(Change("/etc/hostname", written, self.name))
        if host.hostname() != self.name:
            found.append(Change("kernel", host.hostname(), self.name))
        if self._hosts(host) != self._read(host, "/etc/hosts"):
            found.append(Change("/etc/hosts", "", "127.0.1.1 %s" % self._names()))
        return Diff(found) if found else Diff.none("is its name")

    def apply(self, host: "System", diff: Diff) -> None:
        what = {c.what for c in diff.changes}
        owner = host.owner("root", "root")
        if "/etc/hosts" in what:
            # first: sudo and mail look up the new name as soon as the kernel has it
            host.files.write("/etc/hosts", self._hosts(host), 0o644, *owner)
        if "/etc/hostname" in what:
            host.files.write("/etc/hostname", (self.name + "\n").encode(), 0o644, *owner)
        if "kernel" in what:
            host.set_hostname(self.name)

    def fingerprint(self, host: "System") -> str:
        return host.hostname()

    def _names(self) -> str:
        first = short(self.name)
        return self.name if first == self.name else "%s %s" % (self.name, first)

    def _written(self, host: "System") -> str:
        return self._read(host, "/etc/hostname").decode(errors="replace").strip()

    def _read(self, host: "System", path: str) -> bytes:
        return host.files.read(path) if host.files.exists(path) else b""

    def _hosts(self, host: "System") -> bytes:
        """Return /etc/hosts as it should be."""
        text = self._read(host, "/etc/hosts").decode(errors="surrogateescape")
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        for line in lines:
            if self.name in words_of(line)[1:]:
                # the name already has an address: that may be a better one than 127.0.1.1
                return text.encode(errors="surrogateescape")
        lines = lines or FIRST.splitlines()
        at = [n for n, line in enumerate(lines) if words_of(line)[0] == "127.0.1.1"]
        if at:
            # other names of this host are kept
            former = {short(name) for name in (self._written(host), host.hostname())}
            others = [
                name for name in words_of(lines[at[0]])[1:] if short(name) not in {*former, short(self.name)}
            ]
            lines[at[0]] = with_words(lines[at[0]], "127.0.1.1", [*self._names().split(), *others])
        else:
            lines.insert(1, "127.0.1.1 %s" % self._names() + ("\r" if lines[0].endswith("\r") else ""))
        return "".join(line + "\n" for line in lines).encode(errors="surrogateescape")


@wanted()
class Timezone(Step):
    """The host's time zone, by its name in /usr/share/zoneinfo: "Europe/Berlin".

    name: of the zone. The step sets the link /etc/localtime, and /etc/timezone on hosts that have this file:
    Debian up to 12 (changelog of its systemd 253).  Running programs keep the zone that they started with.
    """

    name: str

    def label(self) -> str:
        return "timezone %s" % self.name

    def validate(self) -> None:
        if not re.fullmatch(r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$", self.name):
            raise ValueError("%r is not the name of a time zone" % self.name)

    def check(self, host: "System") -> Diff:
        now = self._now(host)
        found = [] if now == self.name else [Change("timezone", now, self.name)]
        written = self._written(host)
        if written not in ("", self.name):
            found.append(Change(WRITTEN, written, self.name))
        if not found:
            return Diff.none("is the time zone")
        if not host.files.exists(self._file()):
            raise StepError(
                "there is no time zone %r in /usr/share/zoneinfo" % self.name,
                hint="Check the name; the package tzdata brings the zones.",
            )
        return Diff(found)

    def apply(self, host: "System", diff: Diff) -> None:
        what = {c.what for c in diff.changes}
        if "timezone" in what:
            host.files.link("/etc/localtime", self._file())
        if WRITTEN in what:
            host.files.write(WRITTEN, (self.name + "\n").encode(), 0o644, *host.owner("root", "root"))

    def fingerprint(self, host: "System") -> str:
        return self._now(host)

    def _written(self, host: "System") -> str:
        """Return the zone in /etc/timezone; "" if the file does not exist."""
        found = host.files.read(WRITTEN) if host.files.exists(WRITTEN) else b""
        return found.decode(errors="replace").strip()

    def _file(self) -> str:
        return "/usr/share/zoneinfo/" + self.name

    def _now(self, host: "System") -> str:
        link = host.files.stat("/etc/localtime")
        if link is None:
            return "UTC"
        target = link.target if link.kind == "link" else ""
        return target.split("/zoneinfo/", 1)[1] if "/zoneinfo/" in target else "unknown"


hostname = step(Hostname)
timezone = step(Timezone)


def short(name: str) -> str:
    """Return a host's name without its domain."""
    return name.split(".")[0]
