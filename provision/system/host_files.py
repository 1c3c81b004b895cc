"""Files of the host, written atomically, reached by no link that others can change (paths.py). Shipped."""

import contextlib
import os
import stat
from typing import (
    IO,
    TYPE_CHECKING,
    Callable,
    Generator,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

from provision.errors import StepError
from provision.system.caches import Hashes
from provision.system.descriptors import (
    DEEPEST,
    DEFAULT_ACL,
    attribute,
    checked,
    discard,
    make_directory,
    named,
    open_regular,
    put_in_place,
    refuse_directory,
    refuse_folder,
    refuse_if_full,
    remove_at,
    remove_one,
    sync_folder,
    temporary_name,
    too_deep,
    write_new,
)
from provision.system.paths import ACL, FOLDER, NoWay, Pins, Way, kind_of, open_named, reached, way
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.undo_record import UndoRecord


class Stat(NamedTuple):
    """The state of a path; a link there is not followed.

    kind: "file", "dir", "link" or "other".  mode: permission bits.  size: bytes.  target: of a link.
    """

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    target: str = ""


#: contents to write: bytes, or a source that the controller sends in pieces
Content = Union[bytes, Source]
Fetch = Callable[[Source], Generator[bytes, None, None]]


class Files:
    """The real file system. fetch: requests the pieces of a Source from the controller.

    looked: the paths that steps have queried.  tended: folders whose contents are never "no longer declared".
    record: keeps former states.  created: called with each new path that was queried before, and whether all
    of its contents belong to it.  removed: called with each removed path; returns whether it was a whole that
    the running step had made.  wrote: called with each path that was made or replaced.  filling: called with
    one that a command will fill.
    """

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self.looked: Set[str] = set()
        self.tended: Set[str] = set()
        self.record: "Optional[UndoRecord]" = None
        self.created: Callable[[str, bool], None] = lambda path, whole: None
        self.removed: Callable[[str], bool] = lambda path: False
        self.wrote: Callable[[str], None] = lambda path: None
        self.filling: Callable[[str], None] = lambda path: None
        #: wholes that the running step made and removed; made again, they are wholes again
        self.own: Set[str] = set()
        self.hashes = Hashes()
        #: folders where no one else can change names, as checked since `forget`
        self._private: Set[str] = set()
        self._pins = Pins()

    # -- reading

    def stat(self, path: str) -> Optional[Stat]:
        """Return the state of a path, or None. A link is not followed."""
        self.looked.add(path)
        return self._real(path)

    def _real(self, path: str) -> Optional[Stat]:
        found = self._look(path)
        return None if found is None else stat_of(*found)

    def _look(self, path: str) -> "Optional[Tuple[os.stat_result, str]]":
        """Return the state of a path, and the target if it is a link."""
        folder = os.path.dirname(path)
        try:
            if folder in self._private:
                st = os.lstat(path)
                return st, os.readlink(path) if stat.S_ISLNK(st.st_mode) else ""
            with way(path) as at:
                if not at.folder.shared:
                    self._private.add(folder)
                fd = open_named(at.name, at.fd)
                try:
                    st = os.fstat(fd)
                    self._pins.same(at, st)
                    return st, os.readlink("", dir_fd=fd) if stat.S_ISLNK(st.st_mode) else ""
                finally:
                    os.close(fd)
        except (FileNotFoundError, NotADirectoryError, NoWay):
            return None

    def end(self, path: str) -> Optional[Stat]:
        """Return the state of what a path leads to, following links, or None."""
        found = self._real(path)
        if found is None or found.kind != "link":
            return found
        try:
            with way(path, follow=True) as at:
                return self._real(at.path)
        except NoWay:
            return None

    def predicted(self, path: str) -> bool:
        """Return whether a plan has only predicted the file at a path."""
        return False

    def exists(self, path: str) -> bool:
        """Return whether a path exists, following links."""
        return self.end(path) is not None

    def read(self, path: str) -> bytes:
        """Return the contents of a file, following links. Raises OSError, StepError."""
        with self._open(path) as f:
            return f.read()

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading, following links. Raises OSError, StepError."""
        return self._open(path)

    def _open(self, path: str) -> IO[bytes]:
        with way(path, follow=True) as at:
            f = open_regular(at)
            self._pins.same(at, os.fstat(f.fileno()))
            return f

    def sha256(self, path: str) -> str:
        """Return the hex digest of a file's contents, cached while inode, size and times stay the same."""
        if os.geteuid() == 0 and os.path.dirname(path) in self._private:
            # non-root users must open the file, so that permissions apply
            st = os.lstat(path)
            known = self.hashes.find(st) if stat.S_ISREG(st.st_mode) else None
            if known is not None:
                return known
        with self._open(path) as f:
            return self.hashes.find(os.fstat(f.fileno())) or self.hashes.read(f)

    def follow(self, path: str) -> str:
        """Return the path to edit: the target if the path is a link. Raises StepError."""
        now = self.stat(path)
        if now is None or now.kind != "link":
            return path
        with self._way(path, follow=True) as at:
            return at.path

    def shared(self, path: str) -> bool:
        """Return whether another user can replace what is at a path, or a folder above it."""
        while True:
            try:
                with self._way(path) as at:
                    return at.folder.shared
            except NoWay:
                # the folder does not exist yet
                path = os.path.dirname(path)

    def refuse_shared(self, path: str, why: str) -> None:
        """Raise StepError if another user can change a folder that a program reads by names."""
        if self.shared(path + "/."):
            raise StepError(
                "other users can change %s or a folder above it; %s" % (path, why),
                hint="Pass as_user: the step then acts as that user, with their rights. Or choose a folder of root's.",
            )

    @contextlib.contextmanager
    def _way(self, path: str, follow: bool = False) -> Iterator[Way]:
        with way(path, follow) as at:
            yield at

    def list(self, path: str) -> List[str]:
        """Return the sorted names in a directory; none if it is missing. Raises StepError if too deep."""
        # every walk of a tree passes here
        if path.count("/") > DEEPEST:
            raise too_deep(path)
        try:
            with way(path, follow=True) as at:
                fd = os.open(at.name, FOLDER, dir_fd=at.fd)
                try:
                    return sorted(os.listdir(fd))
                finally:
                    os.close(fd)
        except (FileNotFoundError, NotADirectoryError, NoWay):
            return []

    def made(self, path: str) -> float:
        """Return when a path last changed (mtime, seconds since the epoch); 0 if it does not exist."""
        found = self._look(path)
        return 0.0 if found is None else found[0].st_mtime

    def acl(self, path: str, default: bool = False) -> bytes:
        """Return the access control list of a path as the kernel stores it (acl(5)); b"" without one.

        default: the list that new entries of a directory get.
        """
        try:
            with way(path) as at, named(at) as fd:
                return attribute(reached(fd), DEFAULT_ACL if default else ACL)
        except (FileNotFoundError, NoWay):
            return b""

    def forget(self) -> None:
        """Forget the checks of folders: a new step or a command may have changed them."""
        self._pins.clear()
        self._private.clear()

    # -- writing

    def write(self, path: str, content: Content, mode: int, uid: int, gid: int, durable: bool = True) -> None:
        """Replace the file at a path atomically: a reader sees the old or the new contents, never a part.

        The new file is on disk (fsync) before it gets its name; durable=False leaves that to a later sync(),
        for trees of many files. A temporary file that a killed run has left is replaced.
        """
        if isinstance(content, bytes):
            self._replace(path, iter([content]), mode, uid, gid, durable)
            return
        with contextlib.closing(self.fetch(content)) as chunks:
            self._replace(path, chunks, mode, uid, gid, durable, content.size)

    def _replace(
        self, path: str, chunks: Iterator[bytes], mode: int, uid: int, gid: int, durable: bool, size: int = 0
    ) -> None:
        with way(path) as at:
            refuse_directory(at, path)
            refuse_if_full(at, path, size)
            temporary = temporary_name(at.name)
            try:
                new = write_new(at, temporary, chunks, (mode, uid, gid), durable)
                self._keep(path, at, durable)
                self._pins.put(at, put_in_place(at, temporary, new))
                self.wrote(path)
            except BaseException:
                discard(at.fd, temporary)
                raise
            if durable:
                sync_folder(at.fd)

    def sync(self) -> None:
        """Sync the files written with durable=False to disk."""
        os.sync()

    def copy(self, origin: str, path: str, mode: int, uid: int, gid: int, sha256: str = "") -> None:
        """Copy a file of this host, like `write` with durable=False. sha256: the expected hash."""
        with self._open(origin) as f:
            self.put(f, path, mode, uid, gid, sha256)

    def put(self, f: IO[bytes], path: str, mode: int, uid: int, gid: int, sha256: str = "") -> None:
        """Copy an open file in the same way. Raises StepError if its hash differs."""
        self._replace(path, checked(f, path, sha256), mode, uid, gid, durable=False)

    def mkdir(self, path: str, mode: int, uid: int, gid: int) -> None:
        """Make one directory; its parent must exist."""
        with way(path) as at:
            self._keep(path, at)
            self._pins.put(at, make_directory(at.fd, at.name, mode, uid, gid))
        self.wrote(path)
        self._private.clear()

    def link(self, path: str, target: str) -> None:
        """Make a path a symbolic link; replace a file or link there atomically."""
        with way(path) as at:
            refuse_directory(at, path)
            temporary = temporary_name(at.name)
            discard(at.fd, temporary)
            os.symlink(target, temporary, dir_fd=at.fd)
            new = os.stat(temporary, dir_fd=at.fd, follow_symlinks=False)
            try:
                self._keep(path, at)
                self._pins.put(at, put_in_place(at, temporary, new))
            except BaseException:
                discard(at.fd, temporary)
                raise
            sync_folder(at.fd)
        self.wrote(path)
        self._private.clear()

    def remove(self, path: str) -> None:
        """Remove a path and everything below it; links are removed, not followed.

        Raises OSError before anything is removed if a file system is mounted there or below.
        """
        with way(path) as at:
            refuse_folder(at, path)
            if self.record is not None:
                self.record.keep_folder(at.fd, at.name, at.path)
            remove_at(at.fd, at.name, at.path)
            self._pins.drop(at)
        self._private.clear()
        if self.removed(path):
            self.own.add(path)

    def remove_each(self, path: str, inner: Sequence[str]) -> None:
        """Remove these paths at or below the path, inner ones first. A folder that is not empty stays."""
        with way(path) as at:
            if self.record is not None:
                self.record.keep_folder(at.fd, at.name, at.path)
        for each in inner:
            with contextlib.suppress(FileNotFoundError, NoWay), way(each) as at:
                if remove_one(at.fd, at.name) and self.removed(each):
                    self.own.add(each)
                self._pins.drop(at)
        self._private.clear()

    def look_after(self, folder: str) -> None:
        """Note that the running step manages a folder's contents: they are never "no longer declared"."""
        inner = ["%s/%s" % (folder, name) for name in self.list(folder)]
        self.looked.update(inner)
        self.tended.update(inner)

    def keep(self, path: str) -> None:
        """Keep the state of a path for an undo: a command is about to make or change it."""
        if self.record is not None:
            with contextlib.suppress(NoWay), way(path) as at:
                self._keep(path, at, whole=True)
                self.filling(path)

    def _keep(self, path: str, at: Way, durable: bool = True, whole: bool = False) -> None:
        if self.record is not None:
            new = self.record.keep(at.fd, at.name, at.path, whole=whole, durable=durable)
            again = path in self.own
            if (new or again) and path in self.looked:
                self.created(path, whole or again)

    def set_mode(self, path: str, mode: int) -> None:
        """Change permission bits of a file or directory (never through a link)."""
        with self._changing(path) as (there, now):
            if stat.S_ISLNK(now.st_mode):
                raise StepError("%s is a link, which has no mode of its own" % path)
            os.chmod(there, mode)

    def set_owner(self, path: str, uid: int, gid: int, mode: Optional[int] = None) -> None:
        """Change owner and group of a path, or of a link itself. mode: set after the owner, if given."""
        with self._changing(path) as (there, _):
            os.chown(there, uid, gid)
            if mode is not None:
                os.chmod(there, mode)

    def set_acl(self, path: str, data: bytes, mode: int, default: bool = False) -> None:
        """Change what `acl` returns. mode: the resulting permission bits, which a plan can't compute."""
        with self._changing(path) as (there, _):
            what = DEFAULT_ACL if default else ACL
            if data:
                os.setxattr(there, what, data)
            elif attribute(there, what):
                os.removexattr(there, what)

    def set_attribute(self, path: str, name: str, data: bytes) -> None:
        """Change another extended attribute, if the system allows it (containers have read-only labels)."""
        with self._changing(path) as (there, _), contextlib.suppress(PermissionError):
            os.setxattr(there, name, data)

    @contextlib.contextmanager
    def _changing(self, path: str) -> "Iterator[Tuple[str, os.stat_result]]":
        """Return a path that keeps leading to what is at this path now, and its state."""
        with way(path) as at, named(at) as fd:
            self._pins.same(at, os.fstat(fd))
            self._keep(path, at)
            yield reached(fd), os.fstat(fd)
            self._pins.put(at, os.fstat(fd))
        self._private.clear()


def stat_of(st: os.stat_result, target: str) -> Stat:
    """Return the state that steps see."""
    return Stat(kind_of(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_size, target)
