"""Room on disk for what a deploy is going to add. Shipped to hosts (Python 3.8, standard library)."""

import os
import posixpath
from typing import TYPE_CHECKING, List, Mapping, Sequence, Tuple

if TYPE_CHECKING:
    from provision.system.host import System

MB = 1000 * 1000


def lacking(host: "System", releases: Mapping[str, Sequence[int]], environments: Sequence[str]) -> str:
    """Return what the disk lacks for releases and environments that the host does not have yet; "" for nothing.

    releases: by folder, the bytes and the number of files.  environments: folders. A missing one is taken to be
    as large as the largest one beside it.
    """
    wanted = [(path, size[0], size[1]) for path, size in releases.items() if host.files.stat(path) is None]
    wanted += [(path, *largest_beside(host, path)) for path in environments if host.files.stat(path) is None]
    for folder in sorted({existing(host, path) for path, _, _ in wanted}):
        there = [each for each in wanted if existing(host, each[0]) == folder]
        size, files = sum(each[1] for each in there), sum(each[2] for each in there)
        room = os.statvfs(folder)
        if size > room.f_bavail * room.f_frsize:
            return "the disk of %s has %d MB left, and this deploy needs about %d MB" % (
                folder,
                room.f_bavail * room.f_frsize // MB,
                -(-size // MB),
            )
        # a file system without a limit of inodes has none of them (statvfs(3))
        if room.f_files and files > room.f_favail:
            return "the disk of %s has %d inodes left, and this deploy needs about %d" % (
                folder,
                room.f_favail,
                files,
            )
    return ""


def existing(host: "System", path: str) -> str:
    """Return the nearest folder above a path that exists."""
    folder = posixpath.dirname(path)
    while folder != "/" and host.files.stat(folder) is None:
        folder = posixpath.dirname(folder)
    return folder


def largest_beside(host: "System", path: str) -> Tuple[int, int]:
    """Return the bytes and the number of files of the largest folder beside one that is missing; 0 without any."""
    folder = posixpath.dirname(path)
    if host.files.stat(folder) is None:
        return 0, 0
    others = ["%s/%s" % (folder, name) for name in host.files.list(folder)]
    return most(host, "--block-size=1", others), most(host, "--inodes", others)


def most(host: "System", option: str, paths: List[str]) -> int:
    """Return the largest number that du(1) says of some folders; 0 if it says none."""
    if not paths:
        return 0
    lines = host.ask(("du", "-s", option, "--", *paths), timeout=60).stdout.splitlines()
    return max([int(line.split()[0]) for line in lines if line.split()[0].isdecimal()] or [0])
