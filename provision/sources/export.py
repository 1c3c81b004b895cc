"""Writes files of a commit into a new folder of this machine, by descriptors and through no link."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from provision.errors import ProvError
from provision.system.paths import FOLDER

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class ExportFolder:
    """A new folder, readable for its user only, and the files to put below it."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700)
        self._path = path
        self._fd = os.open(path, FOLDER)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)

    def file(self, path: str, executable: bool, fill: Callable[[Callable[[bytes], object]], None]) -> None:
        """Write a new file. fill: passes its contents, in pieces, to the function that it is called with."""
        with self._above(path) as (fd, name):
            out = os.open(name, NEW, 0o700 if executable else 0o600, dir_fd=fd)
            with os.fdopen(out, "wb") as f:
                fill(f.write)

    def link(self, path: str, target: str) -> None:
        """Make a new symbolic link."""
        with self._above(path) as (fd, name):
            os.symlink(target, name, dir_fd=fd)

    @contextlib.contextmanager
    def _above(self, path: str) -> Iterator[tuple[int, str]]:
        *folders, name = path.split("/")
        fd = os.dup(self._fd)
        try:
            for folder in folders:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o700, dir_fd=fd)
                below = os.open(folder, FOLDER, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd, name
        finally:
            os.close(fd)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[ExportFolder]:
    """Yield a folder that gets its name once the block has filled it, or never. Raises ProvError."""
    partial = path.with_name(f"{path.name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        folder = ExportFolder(partial)
        try:
            yield folder
        finally:
            folder.close()
        partial.rename(path)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        said = (error.strerror or str(error)).lower()
        raise ProvError(
            f"{error.filename or partial} can't be written: {said}", where=str(path.parent)
        ) from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
