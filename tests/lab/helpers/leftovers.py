"""What runs may leave behind on this machine once they have ended: processes of ssh, sockets, folders."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: seconds in which all has to be gone: a connection is kept for 60, and a link that is dropped is noticed after 45
GONE = 75.0


@contextmanager
def own_places() -> Iterator[Path]:
    """A folder for sockets and temporary files of runs, while entered. Its path is short, as unix(7) wants."""
    folder = Path(tempfile.mkdtemp(prefix="left-"))
    with pytest.MonkeyPatch.context() as patched:
        for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
            patched.setenv(name, str(folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def left_behind(folder: Path, seconds: float = GONE) -> list[str]:
    """Command lines and paths that runs in a folder have left, once all are gone or the seconds are over."""
    end = time.monotonic() + seconds
    while (found := [*processes(folder), *paths(folder)]) and time.monotonic() < end:
        time.sleep(1)
    return found


def processes(folder: Path) -> list[str]:
    """Command lines of processes that have to do with the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found


def paths(folder: Path) -> list[str]:
    """Sockets of connections, and folders of runs that were not killed."""
    return [str(path) for path in folder.rglob("*") if path.is_socket() and path.name != "ask"]
