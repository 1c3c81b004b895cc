"""Files of the host: read freely, written atomically and never through somebody else's link (paths.py). Shipped."""

import contextlib
import errno
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
    Set,
    Tuple,
    Union,
)

from provision.agent.caches import Hashes
from provision.agent.paths import MAX_LINKS, foreign_link, parent
from provision.errors import StepError
from provision.steps.source import CHUNK, Source

if TYPE_CHECKING:
    from provision.agent.journal import Journal

#: what a file that replaces another one takes over from it (xattr(7)): its label of SELinux, its ACL
ACL, DEFAULT_ACL = "system.posix_acl_access", "system.posix_acl_default"
KEPT = ("security.selinux", ACL)


class Stat(NamedTuple):
    """What is at a path, not following a link there.

    kind: "file", "dir", "link" or "other".  mode: permission bits.  size: bytes.  target: of a link.
    """

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    target: str = ""


#: what may be written: bytes at hand, or contents that the controller sends in pieces
Content = Union[bytes, Source]
Fetch = Callable[[Source], Generator[bytes, None, None]]


class Files:
    """The real file system. fetch: asks the controller for the pieces of a Source.

    looked: the paths that steps have asked about.  record: takes what is there before it is changed.
    created: told of each path that was new, and looked at before; and whether all that is in it belongs to it.
    removed: told of each that was removed; whether it was a whole that the running step had made.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.looked: Set[str] = set()
        #: paths below which nothing is "no longer declared"
        self.tended: Set[str] = set()
        self.record: "Optional[Journal]" = None
        self.created: Callable[[str, bool], None] = lambda path, whole: None
        self.removed: Callable[[str], bool] = lambda path: False
        #: wholes that the running step had made and has removed: made anew they are that again
        self.own: Set[str] = set()
        self.hashes = Hashes()

    # -- reading

    def stat(self, path: str) -> Optional[Stat]:
        """What is at path, or None. A link is not followed."""
        self.looked.add(path)
        return self._real(path)

    def _real(self, path: str) -> Optional[Stat]:
        try:
            st = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        target = os.readlink(path) if stat.S_ISLNK(st.st_mode) else ""
        return Stat(kind_of(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_size, target)

    def end(self, path: str) -> Optional[Stat]:
        """What path leads to, following links, or None."""
        try:
            st = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Stat(kind_of(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_size)

    def predicted(self, path: str) -> bool:
        """Whether the file at path is only what a plan says that it will be."""
        return False

    def exists(self, path: str) -> bool:
        """Whether there is something at path, following links."""
        return os.path.exists(path)

    def read(self, path: str) -> bytes:
        """The contents of the file at path, following links. Raises OSError, StepError."""
        with open_file(path) as f:
            return f.read()

    def sha256(self, path: str) -> str:
        """Hex digest of a file's contents, computed once while its inode, size and times stay the same."""
        if os.geteuid() == 0:
            # for others it shows by opening it that they may read it
            known = self.hashes.find(os.stat(path))
            if known is not None:
                return known
        with open_file(path) as f:
            return self.hashes.read(f)

    def follow(self, path: str) -> str:
        """The path of what is to be edited at path: where a link there leads to.

        Raises StepError for a link that neither root nor we own, as writing below such a link does.
        """
        for _ in range(MAX_LINKS):
            now = self.stat(path)
            if now is None or now.kind != "link":
                return path
            if now.uid not in (0, os.geteuid()):
                raise foreign_link(path, now.uid)
            path = os.path.join(os.path.dirname(path), now.target)
        raise StepError("%s: too many links" % path)

    def list(self, path: str) -> List[str]:
        """Names in a directory, sorted; empty if there is no such directory."""
        try:
            return sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def made(self, path: str) -> float:
        """When what is at path last changed (mtime, seconds since the epoch); 0 if there is nothing."""
        try:
            return os.lstat(path).st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return 0.0

    def acl(self, path: str, default: bool = False) -> bytes:
        """The access control list of what is at path, as the kernel keeps it (acl(5)); b"" if there is none.

        default: the one that what is made in a directory gets.
        """
        return attribute(path, DEFAULT_ACL if default else ACL)

    # -- writing

    def write(self, path: str, content: Content, mode: int, uid: int, gid: int, durable: bool = True) -> None:
        """Replace the file at path in one step: a reader sees the old contents or the new, never a part.

        The new file is complete and on disk (fsync) before it takes the name; durable=False leaves that to
        a later sync(), for trees of many files. What a dead run left under the temporary name is replaced.
        """
        if isinstance(content, bytes):
            self._replace(path, iter([content]), mode, uid, gid, durable)
            return
        self._refuse_if_full(path, content.size)
        with contextlib.closing(self._fetch(content)) as chunks:
            self._replace(path, chunks, mode, uid, gid, durable)

    def _replace(
        self, path: str, chunks: Iterator[bytes], mode: int, uid: int, gid: int, durable: bool
    ) -> None:
        with parent(path) as (fd, name):
            refuse_directory(fd, name, path)
            temporary = ".%s.prov-new" % name
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=fd)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            out = os.open(temporary, flags, 0o600, dir_fd=fd)
            try:
                with os.fdopen(out, "wb", closefd=True) as f:
                    for chunk in chunks:
                        f.write(chunk)
                    f.flush()
                    os.fchown(f.fileno(), uid, gid)
                    keep_attributes("/proc/self/fd/%d/%s" % (fd, name), f.fileno())
                    os.fchmod(f.fileno(), mode)
                    if durable:
                        os.fsync(f.fileno())
                self._keep(path, fd, name, durable)
                os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            except BaseException as error:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=fd)
                if isinstance(error, OSError) and not isinstance(error.filename, str):
                    # write(2) and fsync(2) do not know what they write to; a person wants to
                    error.filename = path
                raise
            if durable:
                os.fsync(fd)

    def _refuse_if_full(self, path: str, size: int) -> None:
        """Raise OSError (ENOSPC) before a large file is sent for nothing."""
        with parent(path) as (fd, _):
            free = os.fstatvfs(fd)
            if size > free.f_bavail * free.f_frsize:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def sync(self) -> None:
        """Put on disk what was written with durable=False."""
        os.sync()

    def copy(self, origin: str, path: str, mode: int, uid: int, gid: int) -> None:
        """Copy a file of this host, as `write` with durable=False does."""
        with open_file(origin) as f:
            self._replace(path, iter(lambda: f.read(CHUNK), b""), mode, uid, gid, durable=False)

    def mkdir(self, path: str, mode: int, uid: int, gid: int) -> None:
        """Make one directory; its parent must exist."""
        with parent(path) as (fd, name):
            self._keep(path, fd, name)
            os.mkdir(name, 0o700, dir_fd=fd)
            new = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            try:
                os.fchown(new, uid, gid)
                os.fchmod(new, mode)
            finally:
                os.close(new)

    def link(self, path: str, target: str) -> None:
        """Make path a symbolic link, replacing a file or link there in one step."""
        with parent(path) as (fd, name):
            refuse_directory(fd, name, path)
            temporary = ".%s.prov-new" % name
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=fd)
            os.symlink(target, temporary, dir_fd=fd)
            self._keep(path, fd, name)
            os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            os.fsync(fd)

    def remove(self, path: str) -> None:
        """Remove what is at path, with everything below a directory; links are removed, not followed."""
        with parent(path) as (fd, name):
            if self.record is not None:
                self.record.keep_folder(*places(fd, name))
            remove_at(fd, name)
        if self.removed(path):
            self.own.add(path)

    def look_after(self, folder: str) -> None:
        """What is in a folder comes and goes by the running step, with all below it: none of it is ever "no longer
        declared"."""
        inner = ["%s/%s" % (folder, name) for name in self.list(folder)]
        self.looked.update(inner)
        self.tended.update(inner)

    def keep(self, path: str) -> None:
        """Keep what is at path for an undo: a command is about to make it, or to change it."""
        if self.record is not None and os.path.isdir(os.path.dirname(path)):
            with parent(path) as (fd, name):
                self._keep(path, fd, name, whole=True)

    def _keep(self, path: str, fd: int, name: str, durable: bool = True, whole: bool = False) -> None:
        if self.record is not None:
            new = self.record.keep(*places(fd, name), whole=whole, durable=durable)
            again = path in self.own
            if (new or again) and path in self.looked:
                self.created(path, whole or again)

    def set_mode(self, path: str, mode: int) -> None:
        """Change permission bits of a file or directory (never through a link)."""
        with self._opened(path) as fd:
            os.fchmod(fd, mode)

    def set_owner(self, path: str, uid: int, gid: int) -> None:
        """Change owner and group of what is at path, a link itself included."""
        with parent(path) as (fd, name):
            self._keep(path, fd, name)
            os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)

    def set_acl(self, path: str, data: bytes, mode: int, default: bool = False) -> None:
        """Change what `acl` gives. mode: what the permission bits become by it, which a plan has to be told."""
        with parent(path) as (fd, name):
            self._keep(path, fd, name)
            at, what = "/proc/self/fd/%d/%s" % (fd, name), DEFAULT_ACL if default else ACL
            if data:
                os.setxattr(at, what, data, follow_symlinks=False)
            elif attribute(at, what):
                os.removexattr(at, what, follow_symlinks=False)

    def set_attribute(self, path: str, name: str, data: bytes) -> None:
        """Change another extended attribute, as far as this system lets us (in containers labels are read-only)."""
        with parent(path) as (fd, own):
            self._keep(path, fd, own)
            with contextlib.suppress(PermissionError):
                os.setxattr("/proc/self/fd/%d/%s" % (fd, own), name, data, follow_symlinks=False)

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        with parent(path) as (fd, name):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            opened = os.open(name, flags, dir_fd=fd)
            self._keep(path, fd, name)
            try:
                yield opened
            finally:
                os.close(opened)


def open_file(path: str) -> IO[bytes]:
    """Open the file at path for reading, following links. A pipe or device is refused: it could block for ever."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        f = os.fdopen(fd, "rb")
    except IsADirectoryError:
        # it knows the number only
        os.close(fd)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from None
    if stat.S_ISREG(os.fstat(f.fileno()).st_mode):
        return f
    f.close()
    raise StepError("%s is not a file" % path)


def attribute(at: Union[str, int], name: str) -> bytes:
    """An extended attribute of what is at a path, or open; b"" where there is none."""
    try:
        return os.getxattr(at, name, follow_symlinks=isinstance(at, int))
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT, errno.ENOTDIR):
            return b""
        raise


def keep_attributes(path: str, fd: int) -> None:
    """Give an open file what the one at path has of KEPT, if there is one."""
    for name in KEPT if os.path.isfile(path) and not os.path.islink(path) else ():
        found = attribute(path, name)
        if found and found != attribute(fd, name):
            # in containers labels can be read, not written: then the directory has given the new file its own
            with contextlib.suppress(PermissionError):
                os.setxattr(fd, name, found)


def places(fd: int, name: str) -> Tuple[str, str]:
    """For a name in an open directory: a path that leads there whatever happens to the directory, and the real one."""
    here = "/proc/self/fd/%d" % fd
    return "%s/%s" % (here, name), "%s/%s" % (os.readlink(here).rstrip("/"), name)


def kind_of(mode: int) -> str:
    """ "file", "dir", "link" or "other" for an st_mode."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "dir"
    return "link" if stat.S_ISLNK(mode) else "other"


def refuse_directory(fd: int, name: str, path: str) -> None:
    """Raise StepError if a directory stands where a file should go."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(name, dir_fd=fd).st_mode):
            raise StepError(
                "%s is a directory, and a file is wanted there" % path,
                hint="Remove it yourself if nothing in it is needed, or add files.absent before this step.",
            )


def remove_at(fd: int, name: str) -> None:
    """Remove a name below an open directory, recursively, without following links."""
    if not stat.S_ISDIR(os.lstat(name, dir_fd=fd).st_mode):
        os.unlink(name, dir_fd=fd)
        return
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    try:
        for child in os.listdir(inner):
            remove_at(inner, child)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=fd)
