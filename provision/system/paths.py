"""Walk to a path, one directory at a time, through no link that another user can change. Shipped.

The rule is that of systemd's "safe" path chasing (chase() with CHASE_SAFE): a link is followed if root or
prov made it, in a folder where only these can change names, and if the same holds for every folder above it.
So a user gains nothing by replacing one of their folders with a link, or with anything else, while root works
below it.
"""

import contextlib
import errno
import os
import stat
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Tuple

from provision.errors import StepError

#: maximum links that the kernel follows on one path (path_resolution(7))
MAX_LINKS = 40
#: an extended attribute: the access control list of a file (acl(5))
ACL = "system.posix_acl_access"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: paths of open files (proc(5))
REACHED = "/proc/self/fd/"
#: a descriptor for a file without opening it (open(2), "O_PATH")
NAMED = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class DirEntry(NamedTuple):
    """The entry of a name in a folder. kind: "file", "dir", "link" or "other".  target: of a link.
    listed: whether it has an access control list.  handle: the file system's own reference to it."""

    kind: str
    mode: int
    uid: int
    gid: int
    target: str
    listed: bool
    handle: Any


class Folder(NamedTuple):
    """A directory on the way. path: its real one.  owner: user id.
    foreign: another user can replace it, or rename what is in it.
    shared: another user can add names to it, if only their own (the sticky bit)."""

    path: str
    handle: Any
    owner: int
    foreign: bool
    shared: bool


class Way(NamedTuple):
    """The end of a path: a name in an open folder."""

    folder: Folder
    name: str

    @property
    def fd(self) -> int:
        found: int = self.folder.handle
        return found

    @property
    def path(self) -> str:
        """The real path, without links in its directories."""
        return inside(self.folder.path, self.name)


#: returns the entry of a name in a folder, or None
Enter = Callable[[Folder, str], Optional[DirEntry]]


class NoWay(StepError):
    """A directory on the way is missing, or is not a directory."""


def walk(path: str, top: DirEntry, enter: Enter, follow: bool = False) -> Way:
    """Walk from the root directory, top, to path. Raises NoWay, StepError.

    follow: whether to follow a link at the last name.
    """
    if not path.startswith("/"):
        raise StepError("%r is not an absolute path" % path)
    stack = [folder_of("/", top, None)]
    todo, links = words(path), 0
    while todo:
        part, here = todo.pop(0), stack[-1]
        if part == "..":
            del stack[max(1, len(stack) - 1) :]
            continue
        if not todo and not follow:
            return Way(here, part)
        found = enter(here, part)
        at = inside(here.path, part)
        if found is not None and found.kind == "link":
            refuse_link(here, at, found)
            links += 1
            if links > MAX_LINKS:
                raise StepError("%s: too many links" % path)
            if found.target.startswith("/"):
                del stack[1:]
            todo = words(found.target) + todo
        elif not todo:
            return Way(here, part)
        elif found is None:
            raise NoWay(
                "the directory %s does not exist" % at, hint="Add a directory step for it before this one."
            )
        elif found.kind != "dir":
            raise NoWay(
                "%s is not a directory" % at,
                hint="If it is not needed, remove it with files.absent before this step.",
            )
        else:
            stack.append(folder_of(at, found, here))
    return Way(stack[-1], ".")


def words(path: str) -> List[str]:
    """Return the names in a path.

    A "." at its end stays: it stands for the directory that the rest leads to.
    """
    parts = [part for part in path.split("/") if part and part != "."]
    return [*parts, "."] if path.endswith("/.") and parts else parts


def inside(folder: str, name: str) -> str:
    """Return the path of a name in a folder."""
    return folder if name == "." else "%s/%s" % (folder.rstrip("/"), name)


def folder_of(path: str, entry: DirEntry, above: Optional[Folder]) -> Folder:
    """Return a directory as a part of a way."""
    writers = entry.mode & 0o002 or (entry.mode & 0o020 and (entry.listed or not trusted_group(entry.gid)))
    foreign = (
        not trusted(entry.uid)
        or (above is not None and above.foreign)
        or bool(writers and not entry.mode & stat.S_ISVTX)
    )
    return Folder(path, entry.handle, entry.uid, foreign, foreign or bool(writers))


def trusted(uid: int) -> bool:
    """Return whether a user is root, or the one that prov runs as."""
    return uid in (0, os.geteuid())


def trusted_group(gid: int) -> bool:
    """Return the same for a group: root's, or prov's primary one."""
    return gid in (0, os.getegid())


def refuse_link(folder: Folder, path: str, link: DirEntry) -> None:
    """Raise StepError unless a link is root's or prov's, and no one else can replace it."""
    if not trusted(link.uid):
        raise StepError("%s is a link made by user %d; refusing to follow it" % (path, link.uid))
    if folder.shared:
        raise StepError(
            "%s is a link in a folder that other users can change; refusing to follow it" % path,
            hint="Name the file or folder that it leads to.",
        )


class Opened:
    """Opens directories on a way as descriptors, which `close` closes."""

    def __init__(self) -> None:
        self._fds: List[int] = []

    def top(self) -> DirEntry:
        """Return the root directory."""
        return self._entry(os.open("/", FOLDER))

    def enter(self, folder: Folder, name: str) -> Optional[DirEntry]:
        """Return the entry of a name in an open folder; for a directory, the handle is a descriptor."""
        try:
            return self._entry(open_named(name, folder.handle))
        except FileNotFoundError:
            return None

    def _entry(self, fd: int) -> DirEntry:
        self._fds.append(fd)
        st = os.fstat(fd)
        target = os.readlink("", dir_fd=fd) if stat.S_ISLNK(st.st_mode) else ""
        listed = bool(st.st_mode & 0o020 and stat.S_ISDIR(st.st_mode) and has_list(fd))
        return DirEntry(
            kind_of(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, target, listed, fd
        )

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


@contextlib.contextmanager
def way(path: str, follow: bool = False) -> Iterator[Way]:
    """Yield the open folder that holds a path, and the path's last name. Raises NoWay, StepError, OSError."""
    opened = Opened()
    try:
        yield walk(path, opened.top(), opened.enter, follow)
    except OSError as error:
        if (
            not str(error.filename).startswith("/")
            or str(error.filename).startswith(REACHED)
            or error.filename2
        ):
            # calls on descriptors know only a part of the path, or a link's target, but users need the whole
            error.filename, error.filename2 = path, None
        raise
    finally:
        opened.close()


def open_named(name: str, folder: int) -> int:
    """Return a descriptor of a name in an open folder, of any kind; a link is not followed.

    A directory is opened for reading, so that automounts are mounted.
    """
    try:
        return os.open(name, FOLDER, dir_fd=folder)
    except PermissionError:
        pass
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
    return os.open(name, NAMED, dir_fd=folder)


def has_list(fd: int) -> bool:
    """Return whether an open file has an access control list."""
    try:
        return bool(os.getxattr(reached(fd), ACL))
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return False
        raise


def reached(fd: int) -> str:
    """Return a path that leads to an open file even if its own path changes."""
    return REACHED + str(fd)


def kind_of(mode: int) -> str:
    """Return "file", "dir", "link" or "other" for an st_mode."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "dir"
    return "link" if stat.S_ISLNK(mode) else "other"


def refuse_hard_link(at: Way, owner: int, names: int) -> None:
    """Raise StepError for another user's file that has a hard link in a user's folder.

    fs.protected_hardlinks forbids such links where it is enabled (proc_sys_fs(5)). names: the file's hard links.
    """
    if not at.folder.shared or names < 2:
        return
    if at.folder.owner != owner or not at.folder.foreign:
        raise StepError(
            "%s has another name elsewhere, and belongs to user %d; refusing to use it" % (at.path, owner),
            hint="It is a hard link in a folder that other users can change. Remove it.",
        )


Identity = Tuple[int, int, int]


class Pins:
    """Remembers what a step has seen where other users can change names: it must stay the same.

    Otherwise a step could check one file, and then expose another one's contents or change its mode or owner.
    """

    def __init__(self) -> None:
        self._seen: "dict[str, Identity]" = {}

    def clear(self) -> None:
        self._seen.clear()

    def same(self, at: Way, st: os.stat_result) -> None:
        """Raise StepError if something else was at this path when the step first looked."""
        if at.folder.shared and self._seen.setdefault(at.path, identity(st)) != identity(st):
            raise StepError(
                "%s was replaced during the step; refusing to continue" % at.path,
                hint="A user who can change that folder did it, or a program of theirs. Run again.",
            )

    def put(self, at: Way, st: os.stat_result) -> None:
        """Note that prov has written this path. Its other hard links are the same file."""
        if at.folder.shared:
            new = identity(st)
            self._seen[at.path] = new
            if st.st_nlink > 1:
                others = [path for path, seen in self._seen.items() if seen[:2] == new[:2]]
                self._seen.update(dict.fromkeys(others, new))

    def drop(self, at: Way) -> None:
        """Note that prov has removed this path."""
        self._seen.pop(at.path, None)


def identity(st: os.stat_result) -> Identity:
    """Return a value that identifies a file."""
    return st.st_dev, st.st_ino, st.st_uid
