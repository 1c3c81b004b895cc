"""Compares mounts with what was declared. Shipped to hosts (Python 3.8, standard library)."""

import os
import re
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence

from provision.steps.support.fstab import MountEntry, names_of, plain

if TYPE_CHECKING:
    from provision.system.host import System

#: mount(8): file system types that the kernel mounts under another name
ALIASES = {"nfs": ("nfs4",), "ntfs": ("ntfs3", "fuseblk"), "ntfs-3g": ("fuseblk",), "smb3": ("cifs",)}
#: tags of fstab(5), which blkid(8) reads from a device
TAG = re.compile(r"^(UUID|LABEL|PARTUUID|PARTLABEL)=\"?([^\"]*)\"?\Z")
BIND = ("bind", "rbind")
#: flags as in /proc/self/mounts, each with the option that clears it (mount(8))
FLAGS = {
    "ro": "rw",
    "noexec": "exec",
    "nosuid": "suid",
    "nodev": "dev",
    "noatime": "atime",
    "nodiratime": "diratime",
    "sync": "async",
    "dirsync": "",
}
#: file system types that are always read-only
READ_ONLY = ("iso9660", "squashfs", "erofs", "cramfs", "romfs")
#: options of mount(8) that stand for several
MEANT = {
    "defaults": ("rw", "suid", "dev", "exec", "async"),
    "user": ("noexec", "nosuid", "nodev"),
    "users": ("noexec", "nosuid", "nodev"),
    "owner": ("nosuid", "nodev"),
    "group": ("nosuid", "nodev"),
}


def same_kind(kind: str, now: MountEntry, options: Sequence[str]) -> bool:
    """Return whether a mounted file system is of a type, as fstab(5) names it."""
    if kind in ("none", "auto") or set(BIND) & set(options):
        return True
    each = kind.split(",")
    others = [alias for one in each for alias in ALIASES.get(one, ())]
    return now.kind in (*each, *others, *("fuse." + one for one in each))


def same_source(host: "System", wanted: MountEntry, now: MountEntry) -> bool:
    """Return whether a mount came from this source. For tmpfs, proc and the like, it is a mere name."""
    source = wanted.source
    if set(BIND) & set(wanted.words):
        if now.source == source and host.planned:
            # an earlier step of this plan will have mounted it
            return True
        try:
            return os.path.samestat(os.stat(source), os.stat(wanted.path))
        except OSError:
            return False
    if source.rstrip("/") == now.source.rstrip("/"):
        return True
    tag = TAG.match(source)
    if tag:
        argv = ("blkid", "-c", "/dev/null", "-o", "value", "-s", tag.group(1), "--", now.source)
        return host.ask(argv, timeout=20).stdout.strip().casefold() == tag.group(2).casefold()
    if "loop" in wanted.words or any(word.startswith("loop=") for word in wanted.words):
        return source in backing(now.source)
    if source.startswith("/"):
        return os.path.realpath(source) in (os.path.realpath(now.source), *backing(now.source))
    # a server's share; else a name without meaning
    return ":" not in source


def shown_source(now: MountEntry) -> str:
    """Return a source as text: for a bind mount the directory, as a path of this host if it has one
    (proc(5), mountinfo)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        fields = [line.split() for line in f]
    found = [(each[2], plain(each[3])) for each in fields if plain(each[4]) in names_of(now.path)]
    if not found or found[-1][1] == "/" or any(word.startswith("subvol=") for word in now.words):
        return now.source
    device, root = found[-1]
    for each in fields:
        above, at = plain(each[3]).rstrip("/"), plain(each[4]).rstrip("/")
        if each[2] == device and root.startswith(above + "/") and plain(each[4]) not in names_of(now.path):
            return at + root[len(above) :]
    return root


def shown(now: MountEntry) -> str:
    """Return a mount in the words of mount(8)."""
    return "%s on %s (%s)" % (now.kind, shown_source(now), now.options)


def read_back(text: str) -> Optional[MountEntry]:
    """Parse the text of `shown`, or a step's declaration, which then lacks options."""
    found = re.match(r"(\S+) on (.+?)(?: \((\S*)\))?\Z", text)
    return MountEntry(found.group(2), "", found.group(1), found.group(3) or "") if found else None


def as_before(former: MountEntry, now: MountEntry) -> List[str]:
    """Return options of mount(8) that restore the flags and values of a former mount; [] if it has them."""
    flags = [
        flag if flag in former.words else off for flag, off in FLAGS.items() if off or flag in former.words
    ]
    values = [word for word in former.words if "=" in word]
    same = all((flag in former.words) == (flag in now.words) for flag in FLAGS)
    return [] if same and set(values) <= set(now.words) else flags + values


def backing(device: str) -> List[str]:
    """Return the file behind a loop device, if it is one."""
    path = "/sys/block/%s/loop/backing_file" % os.path.basename(device)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            return [f.read().rstrip("\n")]
    except OSError:
        return []


def flags_of(options: Sequence[str]) -> Dict[str, bool]:
    """Return which flags the options of fstab(5) set (True) and clear (False); later options win."""
    off = {option: flag for flag, option in FLAGS.items() if option}
    found: Dict[str, bool] = {}
    for word in options:
        for each in MEANT.get(word, (word,)):
            if each in FLAGS:
                found[each] = True
            elif each in off:
                found[off[each]] = False
    return found


def is_read_only(path: str) -> bool:
    """Return whether a file system is read-only as mounted at a path; True if that is unknown."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return True


def taken_away(former: MountEntry, wanted: MountEntry) -> List[str]:
    """Return options that clear flags which only fstab's former line set."""
    asked = flags_of(wanted.words)
    return [
        FLAGS[flag] for flag, on in flags_of(former.words).items() if on and flag not in asked and FLAGS[flag]
    ]


def remount(wanted: MountEntry, now: MountEntry) -> List[str]:
    """Return options that bring a mount to what was declared, if it differs. Flags that are not declared may
    be as they are, except read-only, which has to be declared."""
    bind = bool(set(BIND) & set(wanted.words))
    asked = flags_of(wanted.words)
    if now.kind not in READ_ONLY and not (bind and is_read_only(wanted.source)):
        asked.setdefault("ro", False)
    wrong = [flag for flag, value in asked.items() if (flag in now.words) != value]
    return [flag if asked[flag] else FLAGS[flag] for flag in wrong if asked[flag] or FLAGS[flag]]
