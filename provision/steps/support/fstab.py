"""Tables of file systems and swap: /etc/fstab, and the kernel's. Shipped to hosts (Python 3.8)."""

import os
import re
from typing import TYPE_CHECKING, Dict, List, NamedTuple, Optional, Sequence, Tuple

from provision.steps.files import File

if TYPE_CHECKING:
    from provision.system.host import System

FSTAB = "/etc/fstab"
MOUNTED = "/proc/self/mounts"
SWAPS = "/proc/swaps"
#: number of fields in fstab(5); anything after them is ignored
FIELDS = 6


class MountEntry(NamedTuple):
    """A line of fstab(5) or of /proc/self/mounts. check_order: the last field: when fsck checks it."""

    source: str
    path: str
    kind: str
    options: str
    dump: str = "0"
    check_order: str = "0"

    @property
    def words(self) -> Tuple[str, ...]:
        """Return its options as a list."""
        return tuple(self.options.split(","))

    def line(self) -> str:
        """Return the line as in fstab(5)."""
        return " ".join((escaped(self.source), escaped(self.path), *self[2:]))


def escaped(word: str) -> str:
    """Return a word as fstab(5) escapes it."""
    for plain, code in (("\\", "\\134"), (" ", "\\040"), ("\t", "\\011"), ("#", "\\043")):
        word = word.replace(plain, code)
    return word


def plain(word: str) -> str:
    """Return a word of fstab(5) without escapes."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), word)


def parsed(line: str, *paths: str) -> Optional[MountEntry]:
    """Return the entry in a line, if it is for one of these names of a path (for swap: of this source)."""
    words = line.split()
    if len(words) < 3 or words[0].startswith("#"):
        return None
    at = plain(words[0]) if words[2] == "swap" else plain(words[1])
    if (at.rstrip("/") or "/") not in paths:
        return None
    more = [*words[3:FIELDS], *("defaults", "0", "0")[len(words[3:FIELDS]) :]]
    return MountEntry(plain(words[0]), plain(words[1]) if words[2] == "swap" else paths[0], words[2], *more)


def names_of(path: str) -> Tuple[str, ...]:
    """Return a path, and the same path with links resolved, which the kernel uses."""
    return tuple(dict.fromkeys((path, os.path.realpath(path))))


def text_of(host: "System", table: str) -> str:
    """Return a table's text; bytes that are not UTF-8 are kept as surrogates."""
    return host.files.read(table).decode(errors="surrogateescape") if host.files.exists(table) else ""


def mounted_at(host: "System", path: str) -> Optional[MountEntry]:
    """Return what is mounted at a path: the last mount, which hides earlier ones."""
    names = names_of(path)
    found = [parsed(line, *names) for line in text_of(host, MOUNTED).split("\n")]
    return next((each for each in reversed(found) if each is not None), None)


def swaps_to(host: "System", path: str) -> bool:
    """Return whether the kernel uses a file for swap."""
    # a kernel without swap has no such table
    text = host.files.read(SWAPS) if host.files.exists(SWAPS) else b""
    lines = text.decode(errors="replace").splitlines()[1:]
    return any(line.split()[:1] == [path] for line in lines)


def in_fstab(host: "System", path: str) -> Optional[MountEntry]:
    """Return fstab's entry for a path or a swap file: the last one, as later mounts hide earlier ones."""
    found = lines_for(host, path, text_of(host, FSTAB).split("\n"))
    return found[max(found)] if found else None


def lines_for(host: "System", path: str, lines: Sequence[str]) -> Dict[int, MountEntry]:
    """Return which lines of fstab are for a path, under any of its names: mount(8) follows links in both."""
    names = names_of(path)
    # these have no links, and a lookup on an unreachable server would block
    mounted = {plain(line.split()[1]) for line in text_of(host, MOUNTED).splitlines() if line.split()[1:]}
    found: Dict[int, MountEntry] = {}
    for number, line in enumerate(lines):
        at = plain(" ".join(line.split()[1:2])).rstrip("/")
        links = at.startswith("/") and at not in mounted and os.path.realpath(at) == names[-1]
        each = parsed(line, *names, *([at] if links else []))
        if each is not None:
            found[number] = each
    return found


def fstab_file(host: "System", path: str, wanted: Optional[MountEntry]) -> File:
    """Return fstab with this entry in place of the path's current one; without an entry if it is None."""
    text = text_of(host, FSTAB)
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    at = lines_for(host, path, lines)
    if wanted is not None and list(at.values()) == [wanted]:
        # equal already, with its own columns
        return File(FSTAB, text.encode(errors="surrogateescape"))
    new: List[str] = []
    for n, old in enumerate(lines):
        if n not in at:
            new.append(old)
        elif n == min(at) and wanted is not None:
            new.append(" ".join([wanted.line(), *old.split()[FIELDS:]]))
    if not at and wanted is not None:
        new.append(wanted.line())
    return File(FSTAB, "".join(each + "\n" for each in new).encode(errors="surrogateescape"))


def write_fstab(host: "System", path: str, wanted: Optional[MountEntry]) -> None:
    """Write the entry to fstab, and reload systemd, which makes units of it (systemd-fstab-generator(8))."""
    file = fstab_file(host, path, wanted)
    found = file.check(host)
    if found:
        file.apply(host, found)
        if host.facts.get("init") == "systemd":
            host.units.reload_manager()


def put_mounted(host: "System", path: str, found: Sequence[MountEntry]) -> None:
    """In a plan: record what the kernel will have mounted at a path."""
    if host.planned:
        names = names_of(path)
        lines = host.files.read(MOUNTED).decode(errors="surrogateescape").splitlines(True)
        remaining = [line for line in lines if parsed(line, *names) is None]
        text = "".join([*remaining, *(each.line() + "\n" for each in found)])
        host.files.write(MOUNTED, text.encode(errors="surrogateescape"), 0o444, 0, 0)
