"""Files that a host sends, on this machine. What it says of them is believed only where it can do no harm (D15)."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from provision.errors import ProvError

#: permission bits of what is received; the umask takes some of them
BITS = 0o777


class ReceivingFolder:
    """A place on this machine, and all that is put below it. Nothing gets outside: no link below it is followed.

    top: a file or folder, which may be missing; the folder above it exists.  umask: of this process.
    """

    def __init__(self, top: Path, umask: int) -> None:
        self.top = Path(os.path.realpath(top))
        self._umask = umask

    def folder(self, name: str) -> None:
        """Make a folder. name: below the top; "" for the top itself. Raises ProvError."""
        path = self._at(name)
        if path.is_dir() and not path.is_symlink():
            return
        with self._writing(path):
            path.mkdir()

    def file(self, name: str, mode: int, parts: Iterable[bytes]) -> None:
        """Write a file: whole or not at all. An existing one keeps its mode. Raises ProvError.

        name: below the top; "" for the top itself.  mode: permission bits.  parts: its contents.
        """
        path = self._at(name)
        with self._writing(path):
            if path.is_dir() and not path.is_symlink():
                raise ProvError(
                    "is a folder, expected a file", where=str(path), hint="Remove it, or name another place."
                )
            if path.is_file() and not path.is_symlink():
                mode = path.stat().st_mode & BITS
            else:
                mode &= BITS & ~self._umask
            temporary = path.with_name(f".{secrets.token_hex(8)}.prov")
            try:
                # a name that is not there yet: no link is followed
                with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
                    for part in parts:
                        f.write(part)
                    os.fchmod(f.fileno(), mode)
                temporary.replace(path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    temporary.unlink()

    def _at(self, name: str) -> Path:
        """Return a path whose folders below the top are folders, and no links. Raises ProvError."""
        path = self.top
        words = name.split("/") if name else []
        for word in words[:-1]:
            path /= word
            if path.is_symlink():
                raise ProvError(
                    "is a link; refusing to write through it", where=str(path), hint="Remove it first."
                )
        return path / words[-1] if words else path

    @contextlib.contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ProvError(
                f"can't be written: {(error.strerror or str(error)).lower()}", where=str(path)
            ) from None
