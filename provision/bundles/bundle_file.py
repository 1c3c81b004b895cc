"""The file of a bundle: the program of `host_program`, what the bundle is, its contents, and a digest of it all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from provision.apps.authority_files import write_whole
from provision.bundles import host_program
from provision.bundles.host_program import ABOUT, END

#: characters of base64 on one line
WIDTH = 4096


class PackedFiles:
    """Files for a bundle, packed as they are added. The same files give the same bytes."""

    def __init__(self) -> None:
        self._data = io.BytesIO()
        self._gzip = gzip.GzipFile(fileobj=self._data, mode="wb", compresslevel=6, mtime=0)
        self._tar = tarfile.open(fileobj=self._gzip, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._names: set[str] = set()

    def add(self, name: str, contents: bytes | Path | IO[bytes], *, executable: bool = False) -> None:
        """Add a file; the first one of a name counts."""
        if name in self._names:
            return
        self._names.add(name)
        if isinstance(contents, Path):
            contents = contents.read_bytes()
        data = contents if isinstance(contents, bytes) else contents.read()
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), 0o700 if executable else 0o600
        self._tar.addfile(entry, io.BytesIO(data))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)

    def packed(self) -> bytes:
        """Return the archive, which takes no more files."""
        self._tar.close()
        self._gzip.close()
        return self._data.getvalue()


def write_bundle(path: Path, about: Mapping[str, Any], data: bytes) -> str:
    """Write a bundle, whole or not at all; return the SHA-256 of the file. Raises OSError."""
    encoded = base64.b64encode(data)
    lines = [b"#" + encoded[at : at + WIDTH] for at in range(0, len(encoded), WIDTH)]
    program = Path(host_program.__file__).read_bytes()
    text = program + ABOUT + json.dumps(about, sort_keys=True).encode() + b"\n" + b"\n".join(lines)
    whole = text + END + hashlib.sha256(text).hexdigest().encode() + b"\n"
    # what runs as root is for its owner alone to change
    write_whole(path, whole, 0o700)
    return hashlib.sha256(whole).hexdigest()
