"""A folder in memory for the plain text that an editor changes: nothing of it reaches a disk.

Where: $XDG_RUNTIME_DIR, which is its user's alone and a tmpfs (XDG Base Directory Specification), else /dev/shm. A
tmpfs can be swapped out; systems with secrets have encrypted swap or none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from provision.errors import ProvError

#: f_type of file systems in memory (statfs(2))
TMPFS = ("tmpfs", "ramfs")
SHARED_MEMORY = Path("/dev/shm")
PREFIX = "prov-vault-"
#: signals that end prov; SIGKILL is the watcher's part
ENDING = (signal.SIGHUP, signal.SIGTERM)
#: removes the folder when prov has ended in whatever way: its stdin is a pipe that prov holds open
WATCHER = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"


def in_memory(folder: Path) -> bool:
    """Return whether the file system of a folder is one in memory, and the folder is ours to write to."""
    try:
        real = str(folder.resolve(strict=True))
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    best, kind = "", ""
    for line in mounts.splitlines():
        _, at, type_, *_ = line.split(" ")
        at = at.encode().decode("unicode_escape")
        if (real == at or real.startswith(at.rstrip("/") + "/")) and len(at) >= len(best):
            best, kind = at, type_
    return kind in TMPFS and os.access(real, os.W_OK | os.X_OK)


def place() -> Path:
    """Return the folder in which the hidden one is made. Raises ProvError if this machine has none in memory."""
    named = os.environ.get("XDG_RUNTIME_DIR")
    for folder in (Path(named) if named else None, SHARED_MEMORY):
        if folder is not None and in_memory(folder):
            return folder
    raise ProvError(
        "this machine has no folder in memory for the text to edit",
        hint="Mount a tmpfs at /dev/shm, or decrypt the file, edit it and encrypt it again.",
    )


@contextlib.contextmanager
def hidden_folder() -> Iterator[Path]:
    """A folder in memory for this user alone, removed at the end, also if prov is killed.

    Raises ProvError if there is no place for it.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place()))
    folder.chmod(stat.S_IRWXU)
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WATCHER, str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    former = {number: signal.signal(number, ended) for number in ENDING}
    # Ctrl-C is the editor's, as with git; a handler of ours is not passed on to it
    former[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *given: None)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in former.items():
            signal.signal(number, handler)
        watcher.communicate()


def ended(*_: object) -> None:
    """End by an exception, so that the folder is removed."""
    raise KeyboardInterrupt
