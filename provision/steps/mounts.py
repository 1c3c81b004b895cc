"""Mounted file systems. Shipped to hosts (Python 3.8, standard library)."""

import os
import re
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted
from provision.steps.files import File

if TYPE_CHECKING:
    from provision.system.host import System

FSTAB = "/etc/fstab"
MOUNTED = "/proc/self/mounts"


class Entry(NamedTuple):
    """A line of fstab(5) or of /proc/self/mounts."""

    source: str
    path: str
    kind: str
    options: str


@wanted()
class Mount(Step):
    """A file system that is mounted, now and at boot: a line of /etc/fstab and what it says.

        mounts.mount(c, "/srv/data", "UUID=0a3407de-014b-458b-b5c1-848e92a327a3", "ext4", options="noatime")

    path: where; the directory is made (0755, root) if its parent is there.
    source: a device, UUID=..., LABEL=..., host:/path for nfs, a directory with options="bind", or tmpfs.
    kind: of file system: "ext4", "xfs", "tmpfs", "nfs", "none" for bind.  options: as in fstab(5).
    check_order: the last field of fstab: when fsck looks at it; 0 is never, 1 the root, 2 the others.
    mounted: False writes the line only, and leaves what is mounted alone.
    When only options have changed it is mounted again in place (mount -o remount); another source or kind is
    refused while the old one is mounted: use mounts.no_mount first.  Source: fstab(5), mount(8).
    """

    path: str
    source: str
    kind: str
    options: str = "defaults"
    check_order: int = 0
    mounted: bool = True

    DEADLINE = 180.0

    def label(self) -> str:
        return "mount %s" % self.path

    def validate(self) -> None:
        check_mount_point(self.path)
        check_text(self.source, "source")
        for what, text in (("kind", self.kind), ("options", self.options)):
            if not isinstance(text, str) or not re.match(r"^[^\s#]+\Z", text):
                raise ValueError("%s must be one word: %r" % (what, text))
        if self.check_order not in (0, 1, 2):
            raise ValueError("check_order must be 0, 1 or 2, not %r" % (self.check_order,))

    def check(self, host: "System") -> Diff:
        host.files.refuse_shared(os.path.dirname(self.path), "mount would follow what they put there")
        found: List[Change] = list(fstab_file(host, self.path, self._line()).check(host).changes)
        now = mounted_at(host, self.path)
        if now is not None and self.mounted:
            other = now.kind != self.kind and self.kind not in ("none", "auto")
            if other or (self.source.startswith("/dev/") and now.source != self._device(host, now)):
                raise StepError(
                    "%s on %s is mounted at %s already" % (now.kind, now.source, self.path),
                    hint="Add mounts.no_mount before this step if it shall go.",
                )
            if found and self._was_ours(host):
                found.append(Change("mounted", now.options, "again, with %s" % self.options))
        elif self.mounted:
            found.append(Change("mounted", "", "%s on %s" % (self.kind, self.source)))
        return Diff(found) if found else Diff.none("is mounted" if self.mounted else "is in fstab")

    def apply(self, host: "System", diff: Diff) -> None:
        what = {c.what for c in diff.changes}
        if what - {"mounted"}:
            write_fstab(host, self.path, self._line())
        if "mounted" not in what:
            return
        now = mounted_at(host, self.path)
        if now is None and host.files.stat(self.path + "/.") is None:
            host.files.mkdir(self.path, 0o755, 0, 0)
        argv = ("mount", self.path) if now is None else ("mount", "-o", "remount", self.path)
        hint = "Does the source exist, and does it hold a file system of this kind (see `blkid`)?"
        host.run(argv).require("mounting %s" % self.path, hint)
        if host.planned:
            text = host.files.read(MOUNTED).decode(errors="replace")
            line = "%s %s %s %s 0 0\n" % (escaped(self.source), escaped(self.path), self.kind, self.options)
            host.files.write(MOUNTED, (text + line).encode(), 0o444, 0, 0)

    def fingerprint(self, host: "System") -> str:
        return "%s %s" % (in_fstab(host, self.path), mounted_at(host, self.path) is not None)

    def _line(self) -> str:
        words = (escaped(self.source), escaped(self.path), self.kind, self.options)
        return "%s 0 %d" % (" ".join(words), self.check_order)

    def _was_ours(self, host: "System") -> bool:
        """Whether fstab has had a line for this: only then is the mount what that line said."""
        return in_fstab(host, self.path) is not None

    def _device(self, host: "System", now: Entry) -> str:
        same = os.path.realpath(self.source) == os.path.realpath(now.source)
        return now.source if same else self.source


@wanted()
class NoMount(Step):
    """Nothing is mounted at path, and fstab does not say so. The directory stays.

        mounts.no_mount(c, "/srv/old")

    path: where.  If files there are open the step fails, and says so; it never unmounts by force.
    """

    path: str

    DEADLINE = 120.0

    def label(self) -> str:
        return "no mount %s" % self.path

    def validate(self) -> None:
        check_mount_point(self.path)

    def check(self, host: "System") -> Diff:
        found: List[Change] = []
        now = mounted_at(host, self.path)
        if now is not None:
            found.append(Change("mounted", "%s on %s" % (now.kind, now.source), ""))
        if in_fstab(host, self.path) is not None:
            found += fstab_file(host, self.path, "").check(host).changes
        return Diff(found) if found else Diff.none("nothing is mounted there")

    def apply(self, host: "System", diff: Diff) -> None:
        if any(c.what == "mounted" for c in diff.changes):
            host.run(("umount", "--", self.path)).require(
                "unmounting %s" % self.path, "Who uses it? `fuser -vm %s` tells." % self.path
            )
            if host.planned:
                lines = host.files.read(MOUNTED).decode(errors="replace").splitlines(True)
                kept = [line for line in lines if parsed(line, self.path) is None]
                host.files.write(MOUNTED, "".join(kept).encode(), 0o444, 0, 0)
        if in_fstab(host, self.path) is not None:
            write_fstab(host, self.path, "")

    def fingerprint(self, host: "System") -> str:
        return "%s %s" % (in_fstab(host, self.path), mounted_at(host, self.path) is not None)


mount = step(Mount)
no_mount = step(NoMount)


def check_mount_point(path: str) -> None:
    """Raise ValueError unless something may be mounted there."""
    check_path(path)
    if path.rstrip("/") != path or path in ("/proc", "/sys", "/dev", "/run"):
        raise ValueError("refusing %r: neither the root nor what the system itself mounts" % path)


def escaped(word: str) -> str:
    """A word as fstab(5) writes it."""
    for plain, code in (("\\", "\\134"), (" ", "\\040"), ("\t", "\\011"), ("#", "\\043")):
        word = word.replace(plain, code)
    return word


def plain(word: str) -> str:
    """The word that fstab(5) wrote."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), word)


def parsed(line: str, path: str) -> Optional[Entry]:
    """The entry in a line, if it is one for this path (of swap: for this source)."""
    words = line.split()
    if len(words) < 3 or words[0].startswith("#"):
        return None
    at = plain(words[0]) if words[2] == "swap" else plain(words[1])
    if at != path:
        return None
    return Entry(plain(words[0]), path, words[2], words[3] if len(words) > 3 else "defaults")


def entry(host: "System", table: str, path: str) -> Optional[Entry]:
    """The last entry for a path: later mounts hide earlier ones."""
    text = host.files.read(table).decode(errors="replace") if host.files.exists(table) else ""
    found = [e for e in (parsed(line, path) for line in text.splitlines()) if e is not None]
    return found[-1] if found else None


def mounted_at(host: "System", path: str) -> Optional[Entry]:
    """What is mounted at a path."""
    return entry(host, MOUNTED, path)


def in_fstab(host: "System", path: str) -> Optional[Entry]:
    """What fstab has for a path, or for a swap file."""
    return entry(host, FSTAB, path)


def fstab_file(host: "System", path: str, line: str) -> File:
    """fstab with this line for a path, in the place of the one there; without any if line is ""."""
    text = host.files.read(FSTAB).decode(errors="surrogateescape") if host.files.exists(FSTAB) else ""
    lines: Sequence[str] = text.splitlines()
    at = [n for n, old in enumerate(lines) if parsed(old, path) is not None]
    if len(at) == 1 and line and lines[at[0]].split() == line.split():
        # as wanted, in somebody's own columns
        new = list(lines)
    else:
        new = [line if n in at[:1] else old for n, old in enumerate(lines) if n not in at[1:]]
        new = [*new, line] if not at and line else [old for n, old in enumerate(new) if old or n not in at]
    content = "".join(each + "\n" for each in new).encode(errors="surrogateescape")
    return File(FSTAB, content)


def write_fstab(host: "System", path: str, line: str) -> None:
    """Put the line into fstab, and tell systemd, which makes units of it (systemd-fstab-generator(8))."""
    file = fstab_file(host, path, line)
    found = file.check(host)
    if found:
        file.apply(host, found)
        if host.facts.get("init") == "systemd":
            host.units.reload_manager()
