"""Mounted file systems. Shipped to hosts (Python 3.8, standard library)."""

import os
import re
from typing import TYPE_CHECKING, List, Optional

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted
from provision.steps.support.fstab import (
    MountEntry,
    fstab_file,
    in_fstab,
    mounted_at,
    put_mounted,
    write_fstab,
)
from provision.steps.support.mounted import (
    BIND,
    remount,
    same_kind,
    same_source,
    shown,
    shown_source,
    taken_away,
)

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class Mount(Step):
    """A file system mounted now and at boot, by a line of /etc/fstab.

        mounts.mount(c, "/srv/data", "UUID=0a3407de-014b-458b-b5c1-848e92a327a3", "ext4", options="noatime")

    path: where; the directory is created (0755, root) if its parent exists.
    source: a device, UUID=..., LABEL=..., host:/path for nfs, a directory with options="bind", or tmpfs.
    kind: of file system: "ext4", "xfs", "tmpfs", "nfs", "none" for bind.
    options: as in fstab(5); None leaves those of the line that is there for this kind, or is "defaults".
    check_order: the last field of fstab: when fsck looks at it; 0 is never, 1 the root, 2 the others; None
    leaves it.
    mounted: False only writes the line, and mounts nothing.
    If options have changed, or it was mounted with different ones, it is remounted in place (mount -o
    remount). Another source or kind is refused while the old one is mounted: use mounts.no_mount first. What
    counts is what the kernel says: the directory that is bound, the device that has the UUID.  Source:
    fstab(5), mount(8).
    """

    path: str
    source: str
    kind: str
    options: Optional[str] = None
    check_order: Optional[int] = None
    mounted: bool = True

    DEADLINE = 180.0

    def label(self) -> str:
        return "mount %s" % self.path

    def validate(self) -> None:
        check_mount_point(self.path)
        check_text(self.source, "source")
        for what, text in (("kind", self.kind), ("options", self.options)):
            if text is not None and (not isinstance(text, str) or not re.match(r"^[^\s#]+\Z", text)):
                raise ValueError("%s must be one word: %r" % (what, text))
        if self.kind is None:
            raise ValueError("kind must be one word: None")
        if self.check_order not in (None, 0, 1, 2):
            raise ValueError("check_order must be 0, 1 or 2, not %r" % (self.check_order,))

    def check(self, host: "System") -> Diff:
        host.files.refuse_shared(os.path.dirname(self.path), "mount would follow what they put there")
        entry = self._entry(host)
        found: List[Change] = list(fstab_file(host, self.path, entry).check(host).changes)
        now = mounted_at(host, self.path)
        if now is not None and self.mounted:
            if not same_kind(self.kind, now, entry.words) or not same_source(host, entry, now):
                raise StepError(
                    "%s on %s is already mounted at %s" % (now.kind, shown_source(now), self.path),
                    hint="To unmount it, add mounts.no_mount before this step.",
                )
            if (found and self._was_ours(host)) or remount(entry, now):
                found.append(Change("mounted", shown(now), "again, with %s" % entry.options))
        elif self.mounted:
            found.append(Change("mounted", "", "%s on %s" % (self.kind, self.source)))
        return Diff(found) if found else Diff.none("is mounted" if self.mounted else "is in fstab")

    def apply(self, host: "System", diff: Diff) -> None:
        what = {c.what for c in diff.changes}
        entry, former = self._entry(host), in_fstab(host, self.path)
        if what - {"mounted"}:
            write_fstab(host, self.path, entry)
        if "mounted" not in what:
            return
        now = mounted_at(host, self.path)
        if now is None and host.files.stat(self.path + "/.") is None:
            host.files.mkdir(self.path, 0o755, 0, 0)
        words = []
        if now is not None:
            gone = taken_away(former, entry) if former is not None else []
            # mount(8) does not find a line of fstab that names the directory by a link, and remounts all of the
            # file system without this word
            bound = ["bind"] if set(BIND) & set(entry.words) else []
            words = ["-o", ",".join(["remount", *bound, *gone, *remount(entry, now)])]
        hint = "Check that the source exists and holds a file system of this kind: `blkid`."
        host.run(("mount", *words, self.path)).require("mounting %s" % self.path, hint)
        put_mounted(host, self.path, [entry])
        after = mounted_at(host, self.path)
        wrong = remount(entry, after) if after is not None else []
        if after is not None and wrong:
            raise StepError(
                "%s is mounted with %s, and not with %s" % (self.path, after.options, ",".join(wrong)),
                hint="`dmesg` shows why. A damaged or write-protected file system stays read-only.",
            )

    def fingerprint(self, host: "System") -> str:
        return "%s %s" % (in_fstab(host, self.path), mounted_at(host, self.path) is not None)

    def _entry(self, host: "System") -> MountEntry:
        now = in_fstab(host, self.path) or MountEntry("", "", "", "defaults")
        order = now.check_order if self.check_order is None else str(self.check_order)
        # options are those of a kind: what binds a directory does not mount another file system
        unstated = now.options if now.kind in ("", self.kind) else "defaults"
        options = unstated if self.options is None else self.options
        return MountEntry(self.source, self.path, self.kind, options, now.dump, order)

    def _was_ours(self, host: "System") -> bool:
        """Whether fstab has had a line for this: only then is the mount what that line said."""
        return in_fstab(host, self.path) is not None


@wanted()
class NoMount(Step):
    """Nothing is mounted at path, and fstab has no line for it. The directory stays.

        mounts.no_mount(c, "/srv/old")

    path: where.  If files there are open, the step fails; it never unmounts by force.
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
            found.append(Change("mounted", shown(now), ""))
        if in_fstab(host, self.path) is not None:
            found += fstab_file(host, self.path, None).check(host).changes
        return Diff(found) if found else Diff.none("nothing is mounted there")

    def apply(self, host: "System", diff: Diff) -> None:
        if any(c.what == "mounted" for c in diff.changes):
            host.run(("umount", "--", self.path)).require(
                "unmounting %s" % self.path, "Find the processes that use it: `fuser -vm %s`." % self.path
            )
            put_mounted(host, self.path, [])
        if in_fstab(host, self.path) is not None:
            write_fstab(host, self.path, None)

    def fingerprint(self, host: "System") -> str:
        return "%s %s" % (in_fstab(host, self.path), mounted_at(host, self.path) is not None)


mount = step(Mount)
no_mount = step(NoMount)


def check_mount_point(path: str) -> None:
    """Raise ValueError unless something may be mounted there."""
    check_path(path)
    if path.rstrip("/") != path or path in ("/proc", "/sys", "/dev", "/run"):
        raise ValueError("refusing %r: the system mounts it" % path)
