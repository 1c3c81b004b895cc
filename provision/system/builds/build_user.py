"""The user that builds run as: its id, its folders, and how its processes are ended. Shipped with steps.

It is an id without an account, so no one can log in as it, and prov neither creates nor leaves anything on
the host. Builds that trust each other share one.
"""

import contextlib
import fcntl
import grp
import os
import pwd
import signal
import time
import zlib
from secrets import token_hex
from typing import Iterator, NamedTuple

from provision.errors import StepError
from provision.system.descriptors import remove_at
from provision.system.paths import way
from provision.system.processes import with_id

NAME = "prov-build"
#: ids that neither distributions nor systemd assign (systemd, "Users, Groups, UIDs and GIDs")
FIRST_ID, IDS = 60706, 478
#: caches that builds keep, and a folder for each build while it runs
HOME = "/var/cache/prov-builds"
RUNNING, CACHED = "now-", "cache-"
#: a file below HOME: who builds as an id holds a lock on the byte of that number (fcntl(2), "Advisory record locking")
LOCKS = ".ids"
#: root's configuration files that installers read (pip and uv, "Configuration")
CONFIGURATION = (".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml")
#: seconds for killed processes to be gone
PATIENCE = 10.0
#: seconds between two tries to take an id
POLL = 0.1


class Own(NamedTuple):
    """The private folders of a build. folder: root's, while it runs.  cache: a folder that is kept, or ""."""

    folder: str
    cache: str

    @property
    def home(self) -> str:
        return self.folder + "/home"


def free_id(name: str) -> int:
    """Return the id, of user and group, for builds with a name.

    It is always the same, unless an account takes it.
    """
    first = zlib.crc32(name.encode())
    for number in range(first, first + IDS):
        found = FIRST_ID + number % IDS
        if not _is_known(found):
            return found
    raise StepError("accounts of this host have all ids from %d to %d" % (FIRST_ID, FIRST_ID + IDS - 1))


def is_builder(uid: int) -> bool:
    """Return whether an owner is a build that has not ended."""
    return FIRST_ID <= uid < FIRST_ID + IDS


def _is_known(number: int) -> bool:
    for look in (pwd.getpwuid, grp.getgrgid):
        with contextlib.suppress(KeyError):
            look(number)
            return True
    return False


@contextlib.contextmanager
def held_id(uid: int, end: float) -> Iterator[None]:
    """Have an id to oneself: two builds can come to one, and each ends all processes that it finds with it.

    end: until when to wait for the other build, of time.monotonic().  Raises StepError if that is over.
    """
    os.makedirs(HOME, mode=0o711, exist_ok=True)
    fd = os.open("%s/%s" % (HOME, LOCKS), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while not _locked(fd, uid):
            if time.monotonic() > end:
                raise StepError("another build on this host, with the same user id %d, does not end" % uid)
            time.sleep(POLL)
        yield
    finally:
        os.close(fd)


def _locked(fd: int, uid: int) -> bool:
    with contextlib.suppress(BlockingIOError, PermissionError):
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, uid)
        return True
    return False


def end_processes(uid: int) -> None:
    """End all processes of a user, even if they keep starting more. Raises StepError."""
    # kill(2): -1 signals all permitted processes at once, so none can escape by starting another
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    end = time.monotonic() + PATIENCE
    while True:
        left = [found.pid for found in with_id(uid)]
        if not left:
            return
        if time.monotonic() > end:
            raise StepError("processes of a build do not end: %s" % ", ".join(map(str, left)))
        time.sleep(0.01)


@contextlib.contextmanager
def own_folder(uid: int, cache: str) -> Iterator[Own]:
    """Make a folder for one build, and the cache that earlier builds of that name have kept."""
    for name in os.listdir(HOME):
        if name.startswith(RUNNING) and not os.path.exists("/proc/" + name[len(RUNNING) :].partition("-")[0]):
            # left by an agent that was killed; the name has its process id
            _remove(name)
    name = "%s%d-%s" % (RUNNING, os.getpid(), token_hex(6))
    own = Own("%s/%s" % (HOME, name), "%s/%s%s" % (HOME, CACHED, cache) if cache else "")
    os.mkdir(own.folder, 0o711)
    try:
        _make(own.home, uid)
        if own.cache:
            if os.path.lexists(own.cache) and os.lstat(own.cache).st_uid != uid:
                _remove(CACHED + cache)
            _make(own.cache, uid)
        _configure(own.home, uid)
        yield own
    finally:
        _remove(name)


def _make(folder: str, uid: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    os.chown(folder, uid, uid, follow_symlinks=False)


def _remove(name: str) -> None:
    with way("%s/%s" % (HOME, name)) as at:
        remove_at(at.fd, at.name, at.path)


def _configure(home: str, uid: int) -> None:
    """Give the build root's configuration of installers."""
    root = pwd.getpwuid(0).pw_dir
    for path in CONFIGURATION:
        try:
            with open("%s/%s" % (root, path), "rb") as f:
                data = f.read()
        except (FileNotFoundError, NotADirectoryError):
            continue
        folder = home
        for part in path.split("/")[:-1]:
            folder += "/" + part
            _make(folder, uid)
        put("%s/%s" % (home, path), data, uid)


def put(path: str, data: bytes, uid: int) -> None:
    """Write a file that only one user can read."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as f:
        os.fchown(fd, uid, uid)
        f.write(data)
