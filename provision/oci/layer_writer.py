"""Layers: tar files that hold the same bytes wherever and whenever they are made.

Times, owners and order are fixed, and nothing is compressed, as compressors differ between versions.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from provision.values import dataclass

#: 1980-01-01, as ZIP archives have no earlier time
TIME = 315532800


@dataclass(frozen=True)
class LayerFile:
    """A file of a layer, or a link. size: in bytes.  opens: its contents.  target: of a link, else ""."""

    size: int = 0
    opens: Callable[[], IO[bytes]] = io.BytesIO
    executable: bool = False
    target: str = ""


@dataclass(frozen=True)
class Layer:
    """A layer that has been written. digest: "sha256:..." of the file."""

    path: Path
    digest: str
    size: int

    def open(self) -> IO[bytes]:
        """Open the file. Raises OSError."""
        return self.path.open("rb")


def text_file(text: str, *, executable: bool = False) -> LayerFile:
    """Return a file with this text."""
    data = text.encode()
    return LayerFile(len(data), lambda: io.BytesIO(data), executable)


def written(path: Path, files: Mapping[str, LayerFile]) -> Layer:
    """Write a layer. files: by their paths in the image, without a leading slash. Raises OSError."""
    folders = {
        "/".join(parts[:n]) for name in files if (parts := name.split("/")) for n in range(1, len(parts))
    }
    with path.open("wb") as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted({*folders, *files}):
            add(tar, name, files.get(name))
    return layer_at(path)


def layer_at(path: Path) -> Layer:
    """Return a layer that has been written. Raises OSError."""
    with path.open("rb") as f:
        return Layer(path, f"sha256:{hashlib.file_digest(f, 'sha256').hexdigest()}", path.stat().st_size)


def add(tar: tarfile.TarFile, name: str, file: LayerFile | None) -> None:
    """Add a file, a link, or a folder if it is None, as root's, and readable for all."""
    member = tarfile.TarInfo(name)
    member.mtime = TIME
    member.mode = 0o755
    if file is None:
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
    elif file.target:
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, file.target, 0o777
        tar.addfile(member)
    else:
        member.mode = 0o755 if file.executable else 0o644
        member.size = file.size
        with file.opens() as f:
            tar.addfile(member, f)
