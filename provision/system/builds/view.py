"""The part of a host that a build sees: the operating system, and selected paths. Shipped with steps."""

import os
import re
import stat
from typing import Iterator, List, Sequence

from provision.errors import StepError
from provision.system.paths import MAX_LINKS

#: visible folders in / and /var; all others are empty for a build, except selected paths
SEEN = {
    "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/dev", "/proc", "/sys", "/var", "/tmp",
    "/var/tmp",
}  # fmt: skip
#: folders that name resolution needs
RESOLVERS = ("/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/nscd")


def hidden() -> List[str]:
    """Return the folders that are empty for a build."""
    found = []
    for above in ("/", "/var/"):
        for name in os.listdir(above):
            path = above + name
            # a name with other characters can't be quoted twice for systemd
            if path not in SEEN and re.match(r"^[\w.+-]+\Z", name) and stat.S_ISDIR(os.lstat(path).st_mode):
                found.append(path)
    return sorted(found)


def shown(path: str, covers: Sequence[str]) -> Iterator[str]:
    """Return the parts of a visible path, and of its links' targets, that are below hidden folders."""
    for _ in range(MAX_LINKS):
        if os.path.lexists(path) and any(
            path.startswith(cover + "/") for cover in (*covers, "/tmp", "/var/tmp")
        ):
            yield path
        if not os.path.islink(path):
            return
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))


def folders_above(path: str) -> Iterator[str]:
    """Yield the folders on the way to an absolute path, nearest first."""
    while path != "/":
        path = os.path.dirname(path)
        yield path


def closed_above(path: str) -> str:
    """Return the nearest folder above a path that not every user may pass through; "" without one.

    Raises OSError.
    """
    return next((each for each in folders_above(path) if each != "/" and not is_open(each)), "")


def is_open(path: str) -> bool:
    """Return whether a path is a folder that every user may pass through."""
    mode = os.stat(path).st_mode
    return stat.S_ISDIR(mode) and bool(mode & stat.S_IXOTH)


def refuse_closed(folder: str) -> None:
    """Raise StepError unless every user may pass through the folders above this one."""
    closed = closed_above(folder)
    if closed:
        raise StepError(
            "%s is closed to the user that builds run as: %s has the mode %04o"
            % (folder, closed, stat.S_IMODE(os.stat(closed).st_mode)),
            hint="Open that folder (chmod o+x), or build somewhere else.",
        )
