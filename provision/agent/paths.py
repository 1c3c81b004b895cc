"""The way to a path, one directory at a time and never through somebody else's link. Shipped.

Writing walks the path with openat(2) and refuses a symbolic link on the way that neither root nor we own: the
rule of systemd's "safe" path chasing, against a user who swaps a directory of theirs for a link while root
writes below it.
"""

import contextlib
import errno
import os
import stat
from typing import Callable, Iterator, Optional, Tuple

from provision.errors import StepError

MAX_LINKS = 40


def foreign_link(path: str, uid: int) -> StepError:
    """The refusal of a link on the way that could lead root anywhere."""
    return StepError("%s is a link made by user %d; refusing to follow it" % (path, uid))


def no_directory(path: str) -> StepError:
    """A directory on the way is missing."""
    return StepError(
        "the directory %s does not exist" % path, hint="Add a directory step for it before this one."
    )


def not_a_directory(path: str) -> StepError:
    """Something else stands where a directory on the way should be."""
    return StepError(
        "%s is not a directory" % path,
        hint="If it is not needed, remove it with files.absent before this step.",
    )


def resolve_parts(
    path: str, link_at: Callable[[str, bool], Optional[str]], links: int = 0
) -> Tuple[str, str]:
    """(real directory, name) of path, following links in the directory part only.

    link_at(directory, is_last) gives the target of a link at that path, or None.
    Raises StepError for more than 40 links, as the kernel does (path_resolution(7)).
    """
    done = "/"
    parts = [p for p in path.split("/") if p and p != "."]
    if not parts:
        return "/", "."
    todo, name = parts[:-1], parts[-1]
    while todo:
        part = todo.pop(0)
        if part == "..":
            done = os.path.dirname(done)
            continue
        here = os.path.join(done, part)
        target = link_at(here, not todo)
        if target is None:
            done = here
            continue
        links += 1
        if links > MAX_LINKS:
            raise StepError("%s: too many links" % path)
        if target.startswith("/"):
            done = "/"
        todo = [p for p in target.split("/") if p and p != "."] + todo
    return done, name


@contextlib.contextmanager
def parent(path: str) -> Iterator[Tuple[int, str]]:
    """The directory that holds path, opened safely, and the last part of path."""
    if not path.startswith("/"):
        raise StepError("%r is not an absolute path" % path)

    def link_at(here: str, last: bool) -> Optional[str]:  # noqa: ARG001
        try:
            st = os.lstat(here)
        except FileNotFoundError:
            raise no_directory(here) from None
        if stat.S_ISDIR(st.st_mode):
            return None
        if not stat.S_ISLNK(st.st_mode):
            raise not_a_directory(here)
        if st.st_uid not in (0, os.geteuid()):
            raise foreign_link(here, st.st_uid)
        return os.readlink(here)

    directory, name = resolve_parts(path, link_at)
    fd = open_chain(directory, path)
    try:
        yield fd, name
    finally:
        os.close(fd)


def open_chain(directory: str, path: str) -> int:
    """Open a link-free directory part by part, so that none of the parts can be swapped for a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open("/", flags)
    for part in (p for p in directory.split("/") if p):
        try:
            inner = os.open(part, flags, dir_fd=fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise StepError("%s: %r on the way is no longer a directory" % (path, part)) from None
            raise
        finally:
            os.close(fd)
        fd = inner
    return fd
