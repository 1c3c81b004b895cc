"""dpkg's package database: its status file, the leftovers of an interrupted run, and its lock. Shipped."""

import fcntl
import glob
import os
import struct
import time
from typing import Callable, Dict, List, NamedTuple, Tuple

from provision.errors import StepError

STATUS = "/var/lib/dpkg/status"
#: entries that dpkg has not yet merged into the status file; a killed dpkg leaves them
JOURNAL = "/var/lib/dpkg/updates/[0-9]*"
LOCK = "/var/lib/dpkg/lock-frontend"
#: seconds; cloud-init and unattended upgrades hold dpkg's lock on fresh instances for minutes
LOCK_TIMEOUT = 300
FIELDS = ("Package", "Architecture", "Version", "Status")
#: lines at the top of an entry that usually have these fields
HEAD = 12
#: states in which a package works, even if other packages' triggers are pending (dpkg(1), "Package states")
WORKING = ("installed", "triggers-awaited", "triggers-pending")


class Package(NamedTuple):
    """One entry of the status file (deb822, dpkg(1)).

    want: "install", "hold", "deinstall"...  state: "installed", "half-configured", "config-files"...
    block: the entry's text.
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
        """Return the value of a field, with its continuation lines, or ""."""
        _, _, rest = ("\n" + self.block).partition("\n%s:" % name)
        lines = rest.split("\n")
        more = next((n for n, line in enumerate(lines[1:], 1) if not line.startswith(" ")), len(lines))
        return "\n".join(lines[:more]).strip()


def stamp() -> Tuple[object, ...]:
    """Return a value that changes with dpkg's database. Raises StepError if the host has no dpkg."""
    try:
        st = os.stat(STATUS)
    except FileNotFoundError:
        raise StepError(
            "this host has no dpkg: apt's packages are those of Debian and Ubuntu",
            hint="Use `package` in roles for hosts of several families, or `dnf`.",
        ) from None
    return (st.st_mtime_ns, st.st_ino, tuple(glob.glob(JOURNAL)))


def read() -> Dict[str, Package]:
    """Return all entries by name; those of foreign architectures as "name:architecture"."""
    found: List[Package] = []
    for path in (STATUS, *sorted(glob.glob(JOURNAL))):
        with open(path, encoding="utf-8", errors="replace") as f:
            found += parse(f.read())
    return by_name(found)


def by_name(packages: List[Package]) -> Dict[str, Package]:
    """Return packages by name; later ones replace earlier ones.

    The host's architecture is that of dpkg itself.
    """
    native = [*[p.architecture for p in packages if p.name == "dpkg"][-1:], "all", ""]
    return {key(p, native): p for p in packages}


def key(package: Package, native: List[str]) -> str:
    """Return "libc6", or "libc6:i386"."""
    return package.name if package.architecture in native else "%s:%s" % (package.name, package.architecture)


def parse(text: str) -> List[Package]:
    """Return the entries in a text in the format of the status file."""
    found = []
    for block in text.strip("\n").split("\n\n"):
        # dpkg writes these fields before the long ones
        fields = first_fields(block.split("\n", HEAD)[:HEAD])
        if len(fields) < len(FIELDS):
            fields = first_fields(block.split("\n"))
        if "Package" in fields:
            want, _, state = [*fields.get("Status", "").split(), "", "", ""][:3]
            architecture, version = fields.get("Architecture", ""), fields.get("Version", "")
            found.append(Package(fields["Package"], architecture, version, want, state, block))
    return found


def first_fields(lines: List[str]) -> Dict[str, str]:
    """Return those of FIELDS that are among the lines of an entry."""
    found = {}
    for line in lines:
        name, colon, value = line.partition(": ")
        if colon and name in FIELDS:
            found[name] = value
            if len(found) == len(FIELDS):
                break
    return found


def interrupted() -> bool:
    """Return whether a dpkg that has exited left unfinished work: another one refuses to start then."""
    return bool(glob.glob(JOURNAL)) and not holder()


def holder() -> str:
    """Return who uses dpkg at the moment: "process 123 (apt-get)", or ""."""
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
    """Wait until no other process uses dpkg, and report which one holds it. Raises StepError."""
    end = time.monotonic() + LOCK_TIMEOUT
    while True:
        other = holder()
        if not other:
            return
        if time.monotonic() > end:
            raise StepError(
                "%s held dpkg's lock for %d s" % (other, LOCK_TIMEOUT),
                hint="See what it does (`ps`, /var/log/apt/term.log), or try again later.",
            )
        progress("waiting for %s, which works with dpkg" % other)
        time.sleep(0.5)
