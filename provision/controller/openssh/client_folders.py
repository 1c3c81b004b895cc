"""Folders of the OpenSSH transport: sockets of kept connections, output of ssh -G, files of this run."""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import stat
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from provision.user_cache import cache_folder

#: characters in the name of a socket
NAME_LENGTH = 20
#: bytes of the folder's path: the limit of unix(7), less the name and ssh's temporary suffix (mux.c)
LONGEST = 107 - 1 - NAME_LENGTH - 17
#: prefix of folders that last as long as a run
PREFIX = "prov-run-"

_making = threading.Lock()
#: (process, its folder)
_made: list[tuple[int, Path]] = []


@functools.cache
def socket_folder() -> Path | None:
    """Return the folder for kept connections' sockets, for its owner only; None where that is impossible."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folders = [Path(runtime) / "prov"] if runtime else []
    folders += [cache_folder("ssh"), Path(tempfile.gettempdir()) / f"prov-{os.geteuid()}"]
    return next((folder for folder in folders if len(bytes(folder)) <= LONGEST and is_private(folder)), None)


def is_private(folder: Path) -> bool:
    """Create a folder if needed, and return whether only its owner can access it. A link is refused."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        st = folder.lstat()
        if st.st_uid != os.geteuid() or not stat.S_ISDIR(st.st_mode):
            return False
        if stat.S_IMODE(st.st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError:
        return False
    return True


def run_folder() -> Path:
    """Return a folder for files of this process: ssh's logs, and the program that answers its questions."""
    with _making:
        return _only_folder()


@functools.cache
def _only_folder() -> Path:
    remove_abandoned(Path(tempfile.gettempdir()))
    folder = None
    while folder is None:
        folder = locked_folder()
    atexit.register(remove_run_folder)
    return folder


def locked_folder() -> Path | None:
    """Make a folder that stays locked while this process lives; None if another run has removed it."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    # left open: the lock ends with the process, however it ends
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if not folder.exists():
        os.close(descriptor)
        return None
    _made.append((os.getpid(), folder))
    return folder


def remove_abandoned(parent: Path) -> None:
    """Remove folders that killed runs of this user have left in a folder."""
    with suppress(OSError):
        for name in os.listdir(parent):  # noqa: PTH208 (as quick as can be)
            if name.startswith(PREFIX):
                _remove_if_abandoned(parent / name)


def _remove_if_abandoned(folder: Path) -> None:
    # another user's folder, or a link in its place, stays
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(descriptor).st_uid != os.geteuid():
                return
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(descriptor)


def remove_run_folder() -> None:
    """Remove the folder of this process, if it has one. A forked child has none."""
    for owner, folder in _made:
        if owner == os.getpid():
            shutil.rmtree(folder, ignore_errors=True)
