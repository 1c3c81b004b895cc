"""Hand folders over from another user to root, and back. Shipped with the steps that build.

Everything uses directory descriptors and never follows a link, because the user who filled the folder chose
every name in it. The owner of a directory changes before it is listed, so that nothing in it is exchanged
afterwards.
"""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
from typing import Iterator, List, NamedTuple, Sequence, Set, Tuple

from provision.errors import StepError
from provision.system.builds.view import folders_above
from provision.system.descriptors import DEFAULT_ACL
from provision.system.paths import ACL, FOLDER, way

#: maximum nesting of folders; each level holds a descriptor while its contents change hands
DEEPEST = 100
#: lists that give further users access regardless of the mode (acl(5))
ACLS = (ACL, DEFAULT_ACL)


class Left(NamedTuple):
    """Files and folders that keep their owner, as device and inode."""

    own: Set[Tuple[int, int]]

    def has(self, st: os.stat_result) -> bool:
        """Return whether a file or folder is among these."""
        return (st.st_dev, st.st_ino) in self.own

    def leave(self, st: os.stat_result) -> None:
        """Add a file or folder."""
        self.own.add((st.st_dev, st.st_ino))


def give(folder: str, uid: int) -> Left:
    """Give one of root's folders and its contents to a user.

    Things that belong to other users, and things that not everyone may read, stay.
    """
    left = Left(set())
    with way(folder) as at:
        _give(at.fd, at.name, uid, left, folder, 0)
    return left


def _give(above: int, name: str, uid: int, left: Left, path: str, depth: int) -> None:
    now = os.lstat(name, dir_fd=above)
    if now.st_uid not in (0, uid) or (depth and now.st_uid == 0 and not now.st_mode & stat.S_IROTH):
        left.leave(now)
        return
    if not stat.S_ISDIR(now.st_mode):
        os.chown(name, uid, uid, dir_fd=above, follow_symlinks=False)
        return
    with _directory(above, name, path, depth) as fd:
        for child in os.listdir(fd):
            _give(fd, child, uid, left, "%s/%s" % (path, child), depth + 1)
        # last, because afterwards the user may exchange its contents
        os.fchown(fd, uid, uid)


class Taking(NamedTuple):
    """A handover to root.

    uid: of the former owner.  left: what the user never owned.  links: links that were found.  refused:
    paths, each with the reason.
    """

    uid: int
    left: Left
    links: List[str]
    refused: List[Tuple[str, str]]


def is_system_python(path: str) -> bool:
    """Return whether a file is one of the host's interpreters, which only root can change.

    An environment made by a wrapper such as pyenv's shims links to the interpreter that the wrapper starts.
    path: a real path, without links.
    """
    if not re.fullmatch(r"python[0-9.]*", os.path.basename(path)):
        return False
    try:
        st = os.stat(path)
        above = [os.stat(folder) for folder in folders_above(path)]
    except (FileNotFoundError, NotADirectoryError):
        return False
    roots = all(each.st_uid == 0 and not each.st_mode & 0o022 for each in [st, *above])
    return roots and stat.S_ISREG(st.st_mode) and st.st_mode & 0o005 == 0o005


def take(folder: str, uid: int, left: Left, leads_to: Sequence[str] = ()) -> None:
    """Hand a folder that a user has filled over to root. The user must have no processes left.

    uid: the user's.  left: files and folders that keep their owner.  leads_to: files outside that links may
    lead to.

    Afterwards only root can write to anything in it, nothing is set-user-ID, and no link leads elsewhere.
    Files of other users, pipes, sockets and devices are refused, and so are files that a process has open for
    writing. The rest is taken all the same; pipes and links that lead elsewhere are removed. Raises
    StepError.
    """
    job = Taking(uid, left, [], [])
    with way(folder) as at:
        _take(at.fd, at.name, job, folder, 0)
    # only now, because the links on the way can no longer be exchanged
    inside = os.path.realpath(folder)
    ends = {os.path.realpath(path) for path in leads_to}
    for link in job.links:
        end = os.path.realpath(link)
        within = end == inside or end.startswith(inside + "/")
        if not within and end not in ends and not is_system_python(end):
            job.refused.append((link, "is a link that leads out of it, to %s" % end))
            os.unlink(link)
    if job.refused:
        raise _refused(*job.refused[0])


def _take(above: int, name: str, job: Taking, path: str, depth: int) -> None:
    now = os.lstat(name, dir_fd=above)
    if job.left.has(now):
        return
    if now.st_uid not in (job.uid, 0):
        job.refused.append((path, "belongs to user %d" % now.st_uid))
    elif stat.S_ISDIR(now.st_mode):
        with _directory(above, name, path, depth) as fd:
            _settle(fd, 0o755)
            for child in os.listdir(fd):
                _take(fd, child, job, "%s/%s" % (path, child), depth + 1)
    elif stat.S_ISREG(now.st_mode):
        why = _take_file(above, name, job.uid)
        if why:
            job.refused.append((path, why))
    elif stat.S_ISLNK(now.st_mode):
        os.chown(name, 0, 0, dir_fd=above, follow_symlinks=False)
        job.links.append(path)
    else:
        job.refused.append((path, "is neither a file nor a folder nor a link"))
        os.unlink(name, dir_fd=above)


def _take_file(above: int, name: str, uid: int) -> str:
    """Take a file; return "" or why it is refused."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
    try:
        now = os.fstat(fd)
        if not stat.S_ISREG(now.st_mode) or now.st_uid not in (uid, 0):
            return "was replaced during the build"
        if now.st_uid == 0 and now.st_nlink > 1:
            return "is a hard link to a file of root's"
        _settle(fd, 0o755 if now.st_mode & 0o111 else 0o644)
        return "is open for writing in a process" if _has_writers(fd) else ""
    finally:
        os.close(fd)


def _settle(fd: int, mode: int) -> None:
    """Give an open file or folder to root, with this mode and without access control lists."""
    os.fchown(fd, 0, 0)
    for acl in ACLS:
        with contextlib.suppress(OSError):
            os.removexattr(fd, acl)
    os.fchmod(fd, mode)


def _has_writers(fd: int) -> bool:
    """Return whether a process has the file open for writing: a read lease is then refused (fcntl(2))."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        # another error: the file system does not support leases
        return error.errno == errno.EAGAIN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def copy(origin: str, folder: str, uid: int, leave: str = "") -> None:
    """Copy a folder for a user, who owns all of the copy; links stay links. leave: a path in it to skip."""
    os.mkdir(folder, 0o700)
    with way(origin) as source, way(folder) as new:
        _copy(source.fd, source.name, new.fd, new.name, (uid, leave), origin, 0)


def _copy(above: int, name: str, there: int, new: str, job: Tuple[int, str], path: str, depth: int) -> None:
    uid, leave = job
    with _directory(above, name, path, depth) as fd, _directory(there, new, path, depth) as to:
        for child in os.listdir(fd):
            at = "%s/%s" % (path, child)
            mode = os.lstat(child, dir_fd=fd).st_mode
            if at == leave:
                continue
            if stat.S_ISDIR(mode):
                os.mkdir(child, 0o700, dir_fd=to)
                _copy(fd, child, to, child, job, at, depth + 1)
            elif stat.S_ISLNK(mode):
                os.symlink(os.readlink(child, dir_fd=fd), child, dir_fd=to)
                os.chown(child, uid, uid, dir_fd=to, follow_symlinks=False)
            elif stat.S_ISREG(mode):
                _copy_file(fd, to, child, uid)
        os.fchown(to, uid, uid)


def _copy_file(above: int, there: int, name: str, uid: int) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
    with os.fdopen(source, "rb") as f:
        now = os.fstat(source)
        if now.st_nlink > 1 and now.st_uid != os.fstat(above).st_uid:
            raise _refused(name, "is a hard link to another user's file")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, 0o600, dir_fd=there), "wb") as out:
            shutil.copyfileobj(f, out)
            os.fchown(out.fileno(), uid, uid)
            os.fchmod(out.fileno(), now.st_mode & 0o755 | 0o600)


@contextlib.contextmanager
def _directory(above: int, name: str, path: str, depth: int) -> Iterator[int]:
    if depth > DEEPEST:
        raise _refused(path, "is more than %d folders deep" % DEEPEST)
    fd = os.open(name, FOLDER, dir_fd=above)
    try:
        yield fd
    finally:
        os.close(fd)


def _refused(path: str, why: str) -> StepError:
    return StepError(
        "what was built is refused: %s %s" % (path, why),
        hint="A package made that while it was built or installed. Find out which one before you trust it.",
    )
