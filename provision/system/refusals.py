"""Explain refusals of the kernel, and what to do about them. Shipped."""

import errno
import fcntl
import os
import struct

#: ioctl_iflags(2): file attributes that chattr(1) sets, and those that stop even root
GET_FLAGS = 0x80086601
FIXED = {0x10: ("immutable", "-i"), 0x20: ("append-only", "-a")}
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
            if each and _flags(each) & flag:
                return "%s is %s, which binds root too: `chattr %s %s` lifts that." % (
                    each,
                    word,
                    option,
                    each,
                )
    return "Not even root may do that here: a container, or a security module such as SELinux, forbids it."


def _flags(path: str) -> int:
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
