"""Operations on a name in an open folder, by descriptors: nothing here follows a link. Shipped."""

import contextlib
import errno
import hashlib
import os
import stat
from typing import IO, Iterable, Iterator, List, Tuple, Union

from provision.errors import StepError
from provision.system.paths import ACL, FOLDER, Way, open_named, reached, refuse_hard_link, trusted
from provision.system.source import CHUNK

#: extended attributes (xattr(7)); KEPT: those that a file takes over from the one it replaces
DEFAULT_ACL, LABEL = "system.posix_acl_default", "security.selinux"
PRESERVED = (LABEL, ACL)
#: maximum nesting of folders that are walked; and of folders that are emptied without being moved
DEEPEST, SHALLOW = 128, 64
MOVED = ".prov-gone-"
#: bytes of a name in a folder (NAME_MAX in limits.h)
LONGEST = 255


@contextlib.contextmanager
def named(at: Way) -> Iterator[int]:
    """Yield a descriptor of what a way leads to, of any kind; see open_named. Raises OSError, StepError."""
    fd = opened(at)
    try:
        st = os.fstat(fd)
        if stat.S_ISREG(st.st_mode):
            refuse_hard_link(at, st.st_uid, st.st_nlink)
        yield fd
    finally:
        os.close(fd)


def opened(at: Way) -> int:
    """Return the same for the caller to close, without the check for other names of the file."""
    try:
        return open_named(at.name, at.fd)
    except OSError as error:
        error.filename = at.path
        raise


def open_regular(at: Way) -> IO[bytes]:
    """Open a file for reading.

    A pipe or device is refused, because it could block for ever. Raises OSError, StepError.
    """
    with named(at) as fd:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), at.path)
        if not stat.S_ISREG(mode):
            raise StepError("%s is not a file" % at.path)
        return reopen(fd, at.path)


def reopen(fd: int, path: str) -> IO[bytes]:
    """Open the contents of the file behind a descriptor. path: for errors."""
    try:
        return os.fdopen(os.open(reached(fd), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        error.filename = path
        raise


def temporary_name(name: str) -> str:
    """Return the name of a file while it is being written.

    It is always the same, so a leftover is replaced.
    """
    usual = ".%s.prov-new" % name
    if len(os.fsencode(usual)) <= LONGEST:
        return usual
    return ".%s.prov-new" % hashlib.sha256(os.fsencode(name)).hexdigest()


def write_new(
    at: Way, temporary: str, chunks: Iterable[bytes], rights: Tuple[int, int, int], durable: bool
) -> os.stat_result:
    """Write a file that will replace the one at the end of a way. rights: mode, user and group."""
    mode, uid, gid = rights
    with os.fdopen(create(at.fd, temporary), "wb") as f:
        for chunk in chunks:
            f.write(chunk)
        f.flush()
        os.fchown(f.fileno(), uid, gid)
        keep_attributes(at.fd, at.name, f.fileno())
        os.fchmod(f.fileno(), mode)
        if durable:
            os.fsync(f.fileno())
        return os.fstat(f.fileno())


def put_in_place(at: Way, temporary: str, new: os.stat_result) -> os.stat_result:
    """Rename a new file, in the same folder, to the name at the end of a way, atomically.

    A mounted file (a container's /etc/hosts) can't be replaced: it gets the new one's contents.
    """
    try:
        os.rename(temporary, at.name, src_dir_fd=at.fd, dst_dir_fd=at.fd)
    except OSError as error:
        # if others can change names, both may have been exchanged by now
        if error.errno != errno.EBUSY or at.folder.shared or not stat.S_ISREG(new.st_mode):
            raise
        return _overwrite(at, temporary)
    return new


def _opened_for_writing(at: Way, flags: int) -> IO[bytes]:
    return os.fdopen(os.open(at.name, os.O_WRONLY | flags, dir_fd=at.fd), "wb")


def _overwrite(at: Way, temporary: str) -> os.stat_result:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    old = os.open(temporary, os.O_RDONLY | flags, dir_fd=at.fd)
    with os.fdopen(old, "rb") as f, _opened_for_writing(at, flags) as out:
        new = os.fstat(f.fileno())
        if not stat.S_ISREG(os.fstat(out.fileno()).st_mode):
            raise StepError("%s is mounted there, and is not a file" % at.path)
        for chunk in iter(lambda: f.read(1024 * 1024), b""):
            out.write(chunk)
        out.truncate()
        out.flush()
        os.fchown(out.fileno(), new.st_uid, new.st_gid)
        os.fchmod(out.fileno(), stat.S_IMODE(new.st_mode))
        os.fsync(out.fileno())
        os.unlink(temporary, dir_fd=at.fd)
        return os.fstat(out.fileno())


def discard(fd: int, name: str) -> None:
    """Remove a file or link from an open folder, if it exists."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=fd)


def create(fd: int, name: str) -> int:
    """Create a file in an open folder, for writing; remove a leftover of that name."""
    discard(fd, name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=fd)


def make_directory(fd: int, name: str, mode: int, uid: int, gid: int) -> os.stat_result:
    """Make a directory in an open folder, with this owner and mode. Raises OSError, StepError."""
    os.mkdir(name, 0o700, dir_fd=fd)
    new = os.open(name, FOLDER, dir_fd=fd)
    try:
        # any empty directory of prov's is as good as the one that was made
        if os.fstat(new).st_uid != os.geteuid() or os.listdir(new):
            raise StepError("%s was exchanged for something else while it was made" % name)
        os.fchown(new, uid, gid)
        os.fchmod(new, mode)
        return os.fstat(new)
    finally:
        os.close(new)


def attribute(at: Union[str, int], name: str) -> bytes:
    """Return an extended attribute of an open file, or of what a path leads to; b"" without one."""
    try:
        return os.getxattr(at, name)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return b""
        raise


def own_attributes(at: str) -> List[str]:
    """Return the names of attributes that users have set."""
    try:
        return [name for name in os.listxattr(at) if name.startswith("user.")]
    except OSError:
        return []


def keep_attributes(fd: int, name: str, new: int) -> None:
    """Copy the attributes in KEPT, and those set by users, to the open new file that will replace a file."""
    try:
        old = open_named(name, fd)
    except FileNotFoundError:
        return
    try:
        before, owner = os.fstat(old), os.fstat(new).st_uid
        # an access control list by another user must not give them access to the contents
        if not stat.S_ISREG(before.st_mode) or not (trusted(before.st_uid) or before.st_uid == owner):
            return
        for each in (*PRESERVED, *own_attributes(reached(old))):
            found = attribute(reached(old), each)
            if found and found != attribute(new, each):
                # containers can read labels, but not write them; the new file then has its directory's label
                with contextlib.suppress(PermissionError):
                    os.setxattr(new, each, found)
    finally:
        os.close(old)


def refuse_directory(at: Way, path: str) -> None:
    """Raise StepError if a directory is in the place of a file."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(at.name, dir_fd=at.fd, follow_symlinks=False).st_mode):
            raise is_directory(path)


def refuse_if_full(at: Way, path: str, size: int) -> None:
    """Raise OSError (ENOSPC) before a large file is sent for nothing."""
    free = os.fstatvfs(at.fd)
    if size > free.f_bavail * free.f_frsize:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def refuse_folder(at: Way, path: str) -> None:
    """Raise OSError before a folder is removed in part: it can't go, or a file system is mounted in it."""
    if is_folder(at.name, at.fd):
        # lazy: most runs remove none
        from provision.system.refusals import mount_points, refuse_change, refuse_removal  # shipped

        refuse_change(path, at.path, at.folder.path)
        refuse_removal(at.path, mount_points())


def is_directory(path: str) -> StepError:
    """Return the error for a directory in the place of a file."""
    return StepError(
        "%s is a directory, expected a file" % path,
        hint="Remove it yourself if nothing in it is needed, or add files.absent before this step.",
    )


def remove_at(fd: int, name: str, path: str) -> None:
    """Remove a name below an open directory, with all of its contents, without following links.

    Any depth works: folders deeper than SHALLOW are moved up first, because each level uses a descriptor.
    path: for errors.
    """
    if not is_folder(name, fd):
        os.unlink(name, dir_fd=fd)
        return
    top = os.open(name, FOLDER, dir_fd=fd)
    try:
        # moved folders are emptied next; additions in between are not waited for
        while _empty(top, top, 0, path):
            pass
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=fd)


def _empty(folder: int, top: int, depth: int, path: str) -> bool:
    """Empty an open folder; return whether any folder in it has moved.

    Folders that are too deep move to the top, under new names.
    """
    moved, child = False, ""
    try:
        for child in os.listdir(folder):
            if not is_folder(child, folder):
                os.unlink(child, dir_fd=folder)
            elif depth >= SHALLOW:
                os.rename(child, MOVED + os.urandom(8).hex(), src_dir_fd=folder, dst_dir_fd=top)
                moved = True
            else:
                inner = os.open(child, FOLDER, dir_fd=folder)
                try:
                    moved = _empty(inner, top, depth + 1, "%s/%s" % (path, child)) or moved
                finally:
                    os.close(inner)
                os.rmdir(child, dir_fd=folder)
    except OSError as error:
        if error.filename == child:
            error.filename, error.filename2 = "%s/%s" % (path, child), None
        raise
    return moved


def is_folder(name: str, folder: int) -> bool:
    """Return whether a name in an open folder is a folder and not a link to one."""
    return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def too_deep(path: str) -> StepError:
    """Return the error for a tree that is too deep to walk; no program makes one on purpose."""
    shown = path if len(path) < 100 else path[:97] + "..."
    return StepError(
        "more than %d folders deep: %s" % (DEEPEST, shown),
        hint="No program makes such a tree on purpose. If it is not needed, remove it: rm -rf, or files.absent.",
    )


def remove_one(fd: int, name: str) -> bool:
    """Remove a name below an open directory; return whether it is gone.

    A directory that is not empty stays.
    """
    try:
        if is_folder(name, fd):
            os.rmdir(name, dir_fd=fd)
        else:
            os.unlink(name, dir_fd=fd)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def sync_folder(fd: int) -> None:
    """Sync the names of an open folder to disk; for a folder that prov may not read, rely on the kernel."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise


def checked(f: IO[bytes], path: str, sha256: str) -> Iterator[bytes]:
    """Yield the contents of an open file, in pieces.

    Raises StepError at the end if the hash differs; "" accepts any.
    """
    digest = hashlib.sha256()
    for chunk in iter(lambda: f.read(CHUNK), b""):
        digest.update(chunk)
        yield chunk
    if sha256 and digest.hexdigest() != sha256:
        raise StepError("the contents for %s have changed during the run" % path, hint="Run again.")
