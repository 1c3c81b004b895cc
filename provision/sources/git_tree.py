"""The entries of a commit and its submodules, judged before any of them becomes a file of this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

from provision.errors import ProvError
from provision.sources.git_program import process, run
from provision.sources.mirror import Mirror
from provision.sources.urls import Remote, submodule_of
from provision.steps.support.inside import MAX_PATH, faults

#: largest number of files of one source, and depth of nested submodules
MOST_FILES, MOST_NESTED = 200_000, 8
#: largest size of a .gitattributes file; git itself reads up to a hundred times that
MOST_ATTRIBUTES = 1024 * 1024
#: one entry of `git ls-tree -r -l -z`
ENTRY = re.compile(rb"([0-7]{6}) (blob|commit|tree) ([0-9a-f]+) +(\d+|-)\t(.+)", re.DOTALL)
#: code points that HFS+ ignores in names (git's utf8.c, "next_hfs_char")
HFS_IGNORES = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
HARM = "The repository is broken or malicious. Nothing has been written."


class Blob(NamedTuple):
    """A file or link of a commit. mode: as in git.  name: of its contents.  size: of them in bytes.

    mirror, commit: of its repository, which may be a submodule.
    """

    path: str
    mode: int
    name: str
    size: int
    mirror: Mirror
    commit: str

    @property
    def link(self) -> bool:
        """Return whether it is a symbolic link."""
        return self.mode == 0o120000

    @property
    def executable(self) -> bool:
        """Return whether its owner may execute it."""
        return bool(self.mode & 0o100)

    @property
    def attributes(self) -> bool:
        """Return whether it is a .gitattributes file of acceptable size."""
        is_one = self.path.rpartition("/")[2] == ".gitattributes"
        return is_one and not self.link and self.size < MOST_ATTRIBUTES


class BlobReader:
    """Reads blobs one after another, from one process for each repository."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[Path, tuple[IO[bytes], IO[bytes]]] = {}

    def read(self, blob: Blob, take: Callable[[bytes], object]) -> None:
        """Yield the contents of a blob, in pieces. Raises ProvError."""
        mirror = blob.mirror
        if mirror.path not in self._running:
            started = process(["cat-file", "--batch"], mirror.remote, mirror=mirror.path, hold=mirror.lock)
            self._running[mirror.path] = self._stack.enter_context(started)
        answers, asks = self._running[mirror.path]
        try:
            asks.write(f"{blob.name}\n".encode())
            asks.flush()
        except BrokenPipeError:
            raise unreadable(blob) from None
        if answers.readline().split() != [blob.name.encode(), b"blob", str(blob.size).encode()]:
            raise unreadable(blob)
        left = blob.size
        while left:
            chunk = answers.read(min(left, 1 << 18))
            if not chunk:
                raise unreadable(blob)
            take(chunk)
            left -= len(chunk)
        answers.read(1)

    def all(self, blob: Blob) -> bytes:
        """Return the contents of a small blob."""
        pieces: list[bytes] = []
        self.read(blob, pieces.append)
        return b"".join(pieces)


def unreadable(blob: Blob) -> ProvError:
    """Return the error for contents that git does not deliver."""
    return ProvError(f"{blob.path!r} can't be read from the repository", where=blob.mirror.remote.url)


def blobs_of(
    mirror: Mirror,
    commit: str,
    contents: BlobReader,
    submodule: Callable[[Remote, str], Mirror],
    max_size: int,
) -> list[Blob]:
    """Return the files of a commit and of its submodules, by path. Raises ProvError.

    submodule: returns the mirror of a remote that has a commit.  max_size: bytes of all files together.
    """
    found: dict[str, Blob] = {}
    total = 0
    for blob in listed(mirror, commit, "", submodule, 0):
        if blob.path in found:
            raise refused(mirror, blob.path, "two entries have the same name")
        found[blob.path] = blob
        total += blob.size
        if len(found) > MOST_FILES:
            raise ProvError(f"{mirror.remote.url} has more than {MOST_FILES} files", hint=HARM)
        if total > max_size:
            raise ProvError(
                f"{mirror.remote.url} has more than {max_size >> 20} MB in {commit[:12]}",
                hint="If it should be that large, raise `max_source` of the application.",
            )
    judge(mirror, found, contents)
    return list(found.values())


def listed(
    mirror: Mirror, commit: str, prefix: str, submodule: Callable[[Remote, str], Mirror], depth: int
) -> Iterator[Blob]:
    """Yield the files of a commit and of its submodules in listing order. prefix: of their paths."""
    modules: list[tuple[str, str]] = []
    settings = ""
    for mode, name, size, path in entries(mirror, commit):
        if mode == 0o160000:
            modules.append((path, name))
            continue
        if path == ".gitmodules" and mode in (0o100644, 0o100755):
            settings = name
        yield Blob(prefix + path, mode, name, size, mirror, commit)
    if not modules:
        return
    if depth == MOST_NESTED:
        raise ProvError(
            f"{prefix!r}: more than {MOST_NESTED} submodules in one another", where=mirror.remote.url
        )
    urls = urls_of(mirror, settings) if settings else {}
    for path, name in modules:
        if path not in urls:
            raise ProvError(
                f"the submodule {prefix + path!r} has no URL in .gitmodules",
                where=mirror.remote.url,
                hint="Add it with `git submodule add`, or remove the folder from git (git rm --cached).",
            )
        found = submodule(submodule_of(mirror.remote, urls[path], prefix + path), name)
        yield from listed(found, name, f"{prefix}{path}/", submodule, depth + 1)


def entries(mirror: Mirror, commit: str) -> Iterator[tuple[int, str, int, str]]:
    """Yield (mode, object, size, path) of a commit's entries, without folders."""
    arguments = ["ls-tree", "-r", "-l", "-z", "--full-tree", commit]
    with process(arguments, mirror.remote, mirror=mirror.path, hold=mirror.lock) as (answers, _):
        for line in records(answers):
            match = ENTRY.fullmatch(line)
            path = match[5].decode("utf-8", "surrogateescape") if match else ""
            if match is None or match[2] == b"tree":
                raise refused(mirror, repr(line[-60:]), "git lists it in an unknown form")
            size = 0 if match[4] == b"-" else int(match[4])
            yield int(match[1], 8), match[3].decode(), size, path


def records(answers: IO[bytes]) -> Iterator[bytes]:
    """Yield records that end with a NUL, without the NUL."""
    rest = b""
    for chunk in iter(lambda: answers.read1(1 << 16), b""):  # type: ignore[attr-defined]
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole


def urls_of(mirror: Mirror, settings: str) -> dict[str, str]:
    """Return path -> URL from a .gitmodules file. It is read as data, and never becomes git's
    configuration."""
    arguments = ["config", "--null", "--blob", settings, "--list"]
    said = run(arguments, mirror.remote, mirror=mirror.path, hold=mirror.lock, most=1 << 20)
    found: dict[str, dict[str, str]] = {}
    for record in said.decode("utf-8", "surrogateescape").split("\0"):
        key, _, value = record.partition("\n")
        name, _, variable = key.rpartition(".")
        if name.startswith("submodule."):
            found.setdefault(name, {})[variable] = value
    return {
        said["path"].rstrip("/"): said["url"] for said in found.values() if "path" in said and "url" in said
    }


def judge(mirror: Mirror, found: dict[str, Blob], contents: BlobReader) -> None:
    """Raise ProvError for the first entry that would land elsewhere, or lead there."""
    links: dict[str, str] = {}
    for path, blob in found.items():
        if any(map(is_git, path.split("/"))):
            raise refused(mirror, path, "it would be taken for git's own folder")
        if blob.link:
            if blob.size > MAX_PATH:
                raise refused(mirror, path, "its link target is not a path")
            links[path] = contents.all(blob).decode("utf-8", "surrogateescape")
    for fault in faults({p: "link" if b.link else "file" for p, b in found.items()}, links):
        raise refused(mirror, fault.path, fault.why)


def is_git(name: str) -> bool:
    """Return whether some file system takes a name for .git (git's path.c, "is_ntfs_dotgit",
    "is_hfs_dotgit")."""
    plain = HFS_IGNORES.sub("", name).lower().split(":")[0].rstrip(" .")
    return plain in (".git", "git~1")


def refused(mirror: Mirror, path: str, why: str) -> ProvError:
    """Return the error for a refused entry."""
    return ProvError(f"{path!r} is refused: {why}", where=mirror.remote.url, hint=HARM)
