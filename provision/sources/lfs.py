"""Files that Git LFS keeps elsewhere: the repository has pointers in their place (git-lfs's spec.md)."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from provision.errors import ProvError
from provision.sources.git_program import run
from provision.sources.git_tree import Blob

#: largest size of a pointer in bytes
LARGEST = 1024
POINTER = re.compile(
    rb"version https://(?:git-lfs\.github|hawser\.github)\.com/spec/v1\n(?:ext-.*\n)*"
    rb"oid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n"
)
INSTALL = "Install git-lfs on this machine (apt-get install git-lfs), and deploy again."


class Pointer(NamedTuple):
    """A file's placeholder. oid: SHA-256 of its contents.  size: of them in bytes."""

    oid: str
    size: int


def pointer_in(data: bytes) -> Pointer | None:
    """Return the pointer in these contents; None if they are not a pointer."""
    match = POINTER.fullmatch(data) if len(data) < LARGEST else None
    return Pointer(match[1].decode(), int(match[2])) if match else None


class Attributes:
    """The files that LFS filters, by .gitattributes files (gitattributes(5)). files: path -> contents."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._rules: list[tuple[str, str, bool]] = []
        macros = {"filter=lfs": True, "-filter": False, "!filter": False}
        for path in sorted(files, key=lambda path: path.count("/")):
            folder = path.rpartition("/")[0]
            for line in files[path].decode("utf-8", "replace").splitlines():
                pattern, *attributes = line.split() or [""]
                said = next((macros[a] for a in reversed(attributes) if a in macros), None)
                other = any(a.startswith("filter=") and a != "filter=lfs" for a in attributes)
                if said is None and not other:
                    continue
                if pattern.startswith("[attr]"):
                    macros[pattern[6:]] = bool(said)
                elif not pattern.startswith("#"):
                    self._rules.append((folder, pattern.strip('"'), bool(said)))

    def filters(self, path: str) -> bool:
        """Return whether LFS is the filter of a file; the last matching rule counts."""
        return next((said for *rule, said in reversed(self._rules) if matches(path, *rule)), False)


def matches(path: str, folder: str, pattern: str) -> bool:
    """Return whether a rule of a folder's .gitattributes matches a path."""
    if folder and not path.startswith(folder + "/"):
        return False
    below = path[len(folder) + 1 :] if folder else path
    if "/" not in pattern:
        return fnmatch.fnmatchcase(below.rpartition("/")[2], pattern)
    # fnmatch's stars cross slashes, which finds more pointers; but only files in a pointer's format count
    return fnmatch.fnmatchcase(below, pattern.lstrip("/").replace("**/", "*"))


def fetched(pointers: Sequence[tuple[Blob, Pointer]], room: int) -> dict[str, Path]:
    """Return path -> the file with its contents, fetched by git-lfs. Raises ProvError.

    room: bytes that all of them may use.
    """
    if not pointers:
        return {}
    lacking = [blob for blob, pointer in pointers if not place(blob, pointer).is_file()]
    if sum(pointer.size for _, pointer in pointers) > room:
        blob = max(pointers, key=lambda found: found[1].size)[0]
        message = f"{blob.path!r} and other files in Git LFS are too large"
        raise ProvError(message, where=blob.mirror.remote.url, hint="Raise `max_source` of the application.")
    for blob in {(blob.mirror.path, blob.commit): blob for blob in lacking}.values():
        fetch(blob)
    for blob, pointer in pointers:
        found = place(blob, pointer)
        if not found.is_file() or (found.stat().st_size, digest(found)) != (pointer.size, pointer.oid):
            message = f"{blob.path!r} is in Git LFS, but its server does not have it"
            raise ProvError(message, where=blob.mirror.remote.url, hint="Push it: git lfs push --all REMOTE")
    return {blob.path: place(blob, pointer) for blob, pointer in pointers}


def place(blob: Blob, pointer: Pointer) -> Path:
    """Return where git-lfs keeps the contents of a pointer."""
    return blob.mirror.path / "lfs" / "objects" / pointer.oid[:2] / pointer.oid[2:4] / pointer.oid


def fetch(blob: Blob) -> None:
    """Have git-lfs fetch everything that a commit of a repository needs. Raises ProvError."""
    mirror = blob.mirror
    try:
        run(["lfs", "version"], mirror.remote, hold=mirror.lock)
    except ProvError:
        message = f"{blob.path!r} is in Git LFS, but this machine has no git-lfs"
        raise ProvError(message, where=mirror.remote.url, hint=INSTALL) from None
    # git-lfs reads .lfsconfig, which may name another server, from HEAD
    mirror.git("update-ref", "--no-deref", "HEAD", blob.commit)
    try:
        mirror.git("lfs", "fetch", mirror.remote.url, blob.commit)
    except ProvError as error:
        message = f"{blob.path!r} is in Git LFS, which could not fetch it: {error.message}"
        raise ProvError(message, where=mirror.remote.url, hint=error.hint) from None


def pieces(f: IO[bytes], take: Callable[[bytes], object]) -> None:
    """Yield the contents of an open file, in pieces."""
    for chunk in iter(lambda: f.read(1 << 18), b""):
        take(chunk)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def refusal(paths: Iterable[str], where: str) -> ProvError:
    """Return the error for pointers in a local folder."""
    first, *more = paths
    others = f" and {len(more)} more" if more else ""
    return ProvError(
        f"{first!r}{others}: a pointer of Git LFS, not the file that it stands for",
        where=where,
        hint="Fetch the files there: git lfs pull",
    )
