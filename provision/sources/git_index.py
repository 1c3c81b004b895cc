"""Reads what a git work tree tracks from its index, without running git: its settings may be a stranger's.

Source: git's documentation, gitformat-index(5).
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from pathlib import Path
from typing import NamedTuple

from provision.errors import ProvError

#: largest size of an index in bytes: that of a million files
MOST = 128 * 1024 * 1024
MODULE, TREE = 0o160000, 0o040000
DAMAGED = "Check with `git status`; `git read-tree HEAD` writes a new index."


class Tracked(NamedTuple):
    """The tracked files. files: paths below the work tree.  modules: paths of its submodules."""

    files: set[str]
    modules: set[str]


NOTHING = Tracked(set(), set())


def tracked_in(folder: Path) -> Tracked:
    """Return what git tracks in the work tree whose .git is in a folder; nothing if it has no index.

    Raises ProvError for an index that can't be read.
    """
    data = bounded(git_folder(folder) / "index")
    if data is None:
        return NOTHING
    try:
        return parsed(data)
    except (ValueError, IndexError, struct.error) as error:
        where = str(folder)
        raise ProvError(
            f"the index of this git work tree can't be read: {error}", where=where, hint=DAMAGED
        ) from None


def git_folder(folder: Path) -> Path:
    """Return the folder of the work tree's index: .git, or the folder that a file named .git points to."""
    path = folder / ".git"
    data = None if path.is_dir() else bounded(path, 8192)
    if data is None or not data.startswith(b"gitdir: "):
        return path
    return folder / os.fsdecode(data[8:].strip().replace(b"\0", b""))


def bounded(path: Path, most: int = MOST) -> bytes | None:
    """Return the contents of a regular file of this exact name, up to a size; None if it is another kind.
    Raises ProvError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as f:
        st = os.fstat(f.fileno())
        if not stat.S_ISREG(st.st_mode):
            return None
        if st.st_size > most:
            raise ProvError(
                f"{path} has more than {most >> 20 or 1} MB", hint="Check that this is the right file."
            )
        return f.read(most)


def parsed(data: bytes) -> Tracked:
    """Return what an index tracks. Raises ValueError, struct.error."""
    signature, version, count = struct.unpack_from(">4sII", data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("prov does not support this version of git's index")
    # an index ends with a checksum, of the same kind as its object names
    size = 32 if hashlib.sha256(data[:-32]).digest() == data[-32:] else 20
    found = Tracked(set(), set())
    at, path = 12, b""
    for _ in range(count):
        begin = at
        mode = struct.unpack_from(">I", data, at + 24)[0]
        flags = struct.unpack_from(">H", data, at + 40 + size)[0]
        at += 42 + size + (2 if flags & 0x4000 and version > 2 else 0)
        if version == 4:
            strip, at = varint(data, at)
            if strip > len(path):
                raise ValueError("the length of a path is negative")
            end = data.index(b"\0", at)
            path = path[: len(path) - strip] + data[at:end]
            at = end + 1
        else:
            end = data.index(b"\0", at)
            path = data[at:end]
            # entries end with one to eight NULs, at a multiple of eight bytes from their start
            at = begin + (end - begin + 8) // 8 * 8
        if mode != TREE:
            (found.modules if mode == MODULE else found.files).add(os.fsdecode(path))
    refuse_split(data, at, size)
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable width, and its end (git's varint.c)."""
    byte = data[at]
    value = byte & 127
    while byte & 128:
        at += 1
        byte = data[at]
        value = ((value + 1) << 7) | (byte & 127)
        if value > MOST:
            raise ValueError("it contains a number that is too large")
    return value, at + 1


def refuse_split(data: bytes, at: int, size: int) -> None:
    """Raise ValueError if most of the entries are in another file."""
    while at + 8 <= len(data) - size:
        name, length = struct.unpack_from(">4sI", data, at)
        if name == b"link":
            raise ValueError("it is split (git update-index --no-split-index joins it)")
        at += 8 + length
