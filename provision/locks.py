"""Locks between processes: flock(2) on a folder itself.

The kernel releases them when a process dies, and no lock file is left behind. Threads of one process exclude
each other too, as each opens the folder for itself.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TRIES = 50  # attempts to open a folder that other processes make and remove
_POLL_SECONDS = 0.02


@contextmanager
def locked(
    folder: Path,
    *,
    waiting: Callable[[], None] | None = None,
    wait: bool = True,
    seconds: float | None = None,
    mode: int = 0o755,
) -> Iterator[bool]:
    """Hold the lock of a folder, which is created if missing. Yields whether the lock is held.

    waiting: called once if another process has the lock.  wait: if false, give up at once if another process
    has it.
    seconds: how long to wait at most; None waits for as long as it takes.  mode: of the folder, if it is
    made.
    Raises TimeoutError after `seconds`; OSError if the folder cannot be made or opened.
    """
    announced = False
    while True:
        descriptor = _open_folder(folder, mode)
        try:
            if not taken(descriptor, 0):
                if not wait:
                    yield False
                    return
                if waiting and not announced:
                    announced = True
                    waiting()
                if not taken(descriptor, seconds):
                    raise TimeoutError(f"another process has held the lock of {folder} for {seconds:g} s")
            if _is_still(folder, descriptor):
                yield True
                return
        finally:
            os.close(descriptor)


def taken(descriptor: int, seconds: float | None) -> bool:
    """Take the lock. seconds: how long to wait for it; None waits until it is free."""
    if seconds is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    end = time.monotonic() + seconds
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_SECONDS)


def _open_folder(folder: Path, mode: int) -> int:
    """Return a descriptor of a folder, which is created if missing. Raises OSError."""
    for _ in range(_TRIES - 1):
        # either call can find that another process has removed the folder since
        with suppress(FileNotFoundError, FileExistsError):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
            return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _is_still(folder: Path, descriptor: int) -> bool:
    """Return whether the path still names the opened folder: its last holder may have removed it."""
    try:
        now = folder.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(now, os.fstat(descriptor))
