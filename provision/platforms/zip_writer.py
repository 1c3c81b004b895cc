"""Zips of releases: times, owners and order are fixed, so that the same files are the same zip."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

from provision.oci.layer_writer import LayerFile

#: of all files: ZIP has no earlier time
TIME = (1980, 1, 1, 0, 0, 0)


def write_zip(path: Path, files: Mapping[str, LayerFile]) -> None:
    """Write a zip whose bytes depend on the files alone. Raises OSError."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name in sorted(files):
            file = files[name]
            entry = zipfile.ZipInfo(name, TIME)
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            if file.target:
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
                out.writestr(entry, file.target)
                continue
            entry.external_attr = (stat.S_IFREG | (0o755 if file.executable else 0o644)) << 16
            with file.opens() as source:
                out.writestr(entry, source.read())
