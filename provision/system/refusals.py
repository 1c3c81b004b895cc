"""Explain refusals of the kernel, what to do about them, and find them before a change. Shipped."""

import errno
import fcntl
import os
import re
import struct
from typing import List, Sequence

#: ioctl_iflags(2): file attributes that chattr(1) sets, and those that stop even root
GET_FLAGS = 0x80086601
IMMUTABLE = 0x10
FIXED = {IMMUTABLE: ("immutable", "-i"), 0x20: ("append-only", "-a")}
HINTS = {
    errno.EDQUOT: "The disk quota is used up: `quota -v` of its owner shows it.",
    errno.EROFS: "The file system is mounted read-only: `findmnt -T %s` shows it.",
    errno.EACCES: "Log in as root, or let prov use sudo (ansible_become: true).",
    errno.EPERM: "Log in as root, or let prov use sudo (ansible_become: true).",
    errno.EISDIR: "A directory stands where a file is wanted.",
    errno.ENOTDIR: "A file stands where a directory is wanted.",
    errno.EBUSY: "Something is mounted there, or uses it: `findmnt %s` shows what. Unmount that first.",
    errno.ENAMETOOLONG: "A name has 255 bytes at most, and a path 4095.",
}


def hint_for(error: OSError) -> str:
    """Return what to do about a kernel error; "" if that is unknown."""
    path = str(error.filename or "")
    if error.errno == errno.ENOSPC:
        return _full(path)
    if error.errno == errno.EPERM and os.geteuid() == 0:
        return _fixed(path)
    hint = HINTS.get(error.errno or 0, "")
    return hint % path if "%s" in hint else hint


def _full(path: str) -> str:
    """Return what a path's file system is out of: bytes, or inodes (statvfs(3))."""
    folder = path
    while folder.startswith("/") and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    if folder.startswith("/"):
        room = os.statvfs(folder)
        if room.f_files and not room.f_favail:
            return (
                "The file system of %s has room, but no inodes left: it holds too many files. Remove some "
                "(`df -i %s` shows how many there are) and run again." % (folder, folder)
            )
    return "The disk is full: free some space (`df -h %s` shows it) and run again." % folder


def _fixed(path: str) -> str:
    """Return what prevents root from changing a path: attributes of the file, or of its folder."""
    for each in (path, os.path.dirname(path)):
        for flag, (word, option) in FIXED.items():
            if each and flags_of(each) & flag:
                return "%s is %s, which binds root too: `chattr %s %s` lifts that." % (
                    each,
                    word,
                    option,
                    each,
                )
    return "Not even root may do that here: a container, or a security module such as SELinux, forbids it."


def flags_of(path: str) -> int:
    """Return the attributes of a file or folder; 0 if its file system has none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        found: int = struct.unpack("l", fcntl.ioctl(fd, GET_FLAGS, bytes(struct.calcsize("l"))))[0]
        return found
    except OSError:
        return 0
    finally:
        os.close(fd)


def mount_points() -> List[str]:
    """Return where something is mounted."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        return [_plain(line.split()[4]) for line in f]


def refuse_removal(path: str, points: Sequence[str]) -> None:
    """Raise OSError if something is mounted at a real path, or below it: its contents would go first.

    points: as of mount_points.
    """
    for point in points:
        if point == path or point.startswith(path + "/"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), point)


def refuse_change(path: str, here: str, folder: str) -> None:
    """Raise the OSError with which the kernel would refuse a change, as far as that shows before.

    path: for the error.  here: the real path that changes, "" for a name that does not exist yet.
    folder: the real one whose names change, "" if they stay.
    """
    # statvfs(3) follows a link
    if os.statvfs(folder or (os.path.dirname(here) if os.path.islink(here) else here)).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
    if (folder and flags_of(folder) & IMMUTABLE) or (here and flags_of(here) & sum(FIXED)):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), path)


def _plain(word: str) -> str:
    """Return a word of proc(5)'s mountinfo without escapes."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), word)
