"""The files of a private certificate authority, and how they are replaced atomically."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class AuthorityFiles:
    """folder: holds ca.key (0600), ca.crt, which clients trust, and ca.id, the identifier of its key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate_path = folder / "ca.crt"
        self.key_path = folder / "ca.key"
        self.id_path = folder / "ca.id"


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Replace a file atomically: readers see the old file or the new one, even after a crash."""
    begun = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    fd = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        begun.replace(path)
    except BaseException:
        begun.unlink(missing_ok=True)
        raise
