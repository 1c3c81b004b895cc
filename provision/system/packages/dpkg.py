"""dpkg's database of packages: its status file, what an interrupted run has left, and its lock. Shipped."""

import fcntl
import glob
import os
import struct
import time
from typing import Callable, Dict, List, NamedTuple, Tuple

from provision.errors import StepError

STATUS = "/var/lib/dpkg/status"
#: entries that a running dpkg has not merged into the status file yet; one that was killed leaves them
JOURNAL = "/var/lib/dpkg/updates/[0-9]*"
LOCK = "/var/lib/dpkg/lock-frontend"
#: cloud-init and unattended upgrades hold dpkg's lock on fresh instances for minutes
LOCK_TIMEOUT = 300
FIELDS = ("Package", "Architecture", "Version", "Status")
#: lines at the top of an entry that hold them, as a rule
HEAD = 12
#: dpkg(1), "Package states": in these a package works, if others' triggers are still to run
WORKING = ("installed", "triggers-awaited", "triggers-pending")


class Package(NamedTuple):
    """One entry of the status file (deb822, dpkg(1)).

    want: "install", "hold", "deinstall"...  state: "installed", "half-configured", "config-files"...
    block: the entry as it stands there.
    """

    name: str
    architecture: str
    version: str
    want: str
    state: str
    block: str

    @property
    def works(self) -> bool:
        return self.state in WORKING

    @property
    def held(self) -> bool:
        return self.want == "hold"

    def field(self, name: str) -> str:
        """The value of a field, with the lines that go on from it, or ""."""
        _, _, rest = ("\n" + self.block).partition("\n%s:" % name)
        lines = rest.split("\n")
        more = next((n for n, line in enumerate(lines[1:], 1) if not line.startswith(" ")), len(lines))
        return "\n".join(lines[:more]).strip()


def stamp() -> Tuple[object, ...]:
    """Equal as long as dpkg has changed nothing. Raises StepError where there is no dpkg."""
    try:
        st = os.stat(STATUS)
    except FileNotFoundError:
        raise StepError(
            "this host has no dpkg: apt's packages are those of Debian and Ubuntu",
            hint="Use `package` in roles for hosts of several families, or `dnf`.",
        ) from None
    return (st.st_mtime_ns, st.st_ino, tuple(glob.glob(JOURNAL)))


def read() -> Dict[str, Package]:
    """All entries by name; those of another architecture than the host's as "name:architecture"."""
    found: List[Package] = []
    for path in (STATUS, *sorted(glob.glob(JOURNAL))):
        with open(path, encoding="utf-8", errors="replace") as f:
            found += parse(f.read())
    return by_name(found)


def by_name(packages: List[Package]) -> Dict[str, Package]:
    """Packages by name, later ones before earlier ones. The host's architecture is that of dpkg itself."""
    native = [*[p.architecture for p in packages if p.name == "dpkg"][-1:], "all", ""]
    return {key(p, native): p for p in packages}


def key(package: Package, native: List[str]) -> str:
    """ "libc6", or "libc6:i386"."""
    return package.name if package.architecture in native else "%s:%s" % (package.name, package.architecture)


def parse(text: str) -> List[Package]:
    """The entries in a text in the format of the status file."""
    found = []
    for block in text.strip("\n").split("\n\n"):
        # dpkg writes what we look for before the long fields
        fields = first_fields(block.split("\n", HEAD)[:HEAD])
        if len(fields) < len(FIELDS):
            fields = first_fields(block.split("\n"))
        if "Package" in fields:
            want, _, state = [*fields.get("Status", "").split(), "", "", ""][:3]
            architecture, version = fields.get("Architecture", ""), fields.get("Version", "")
            found.append(Package(fields["Package"], architecture, version, want, state, block))
    return found


def first_fields(lines: List[str]) -> Dict[str, str]:
    """Those of FIELDS that are among the lines of an entry."""
    found = {}
    for line in lines:
        name, colon, value = line.partition(": ")
        if colon and name in FIELDS:
            found[name] = value
            if len(found) == len(FIELDS):
                break
    return found


def interrupted() -> bool:
    """Whether a dpkg that is gone has left its work half done: another one refuses to begin then."""
    return bool(glob.glob(JOURNAL)) and not holder()


def holder() -> str:
    """Who works with dpkg at the moment: "process 123 (apt-get)", or ""."""
    # struct flock, fcntl(2)
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        with open(LOCK, "r+b") as f:
            kind, _, _, _, pid = struct.unpack("hhqqi4x", fcntl.fcntl(f, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return ""
    if kind == fcntl.F_UNLCK:
        return ""
    try:
        with open("/proc/%d/comm" % pid, encoding="utf-8", errors="replace") as f:
            return "process %d (%s)" % (pid, f.read().strip())
    except FileNotFoundError:
        return "process %d" % pid


def wait(progress: Callable[[str], None]) -> None:
    """Wait until no other process works with dpkg, and say which one we wait for. Raises StepError."""
    end = time.monotonic() + LOCK_TIMEOUT
    while True:
        other = holder()
        if not other:
            return
        if time.monotonic() > end:
            raise StepError(
                "%s held dpkg's lock for %d s" % (other, LOCK_TIMEOUT),
                hint="Look what it does (`ps`, /var/log/apt/term.log), or try again later.",
            )
        progress("waiting for %s, which works with dpkg" % other)
        time.sleep(0.5)
