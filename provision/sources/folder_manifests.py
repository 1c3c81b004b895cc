"""Folders of this machine as manifests, read by descriptors and through no link."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from provision.errors import ProvError
from provision.steps.support.inside import MAX_DEPTH, faults, through_links
from provision.steps.tree import Entry
from provision.system.caches import Hashes
from provision.system.paths import FOLDER
from provision.system.source import Source
from provision.user_cache import cache_folder

#: opening a pipe would block
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_hashes: dict[str, Hashes] = {}


class FoundFile(NamedTuple):
    """A file or link in a folder. fd, name: to open it by."""

    path: str
    st: os.stat_result
    fd: int
    name: str


def walked(folder: str, wanted: Callable[[str, bool], bool]) -> Iterator[FoundFile]:
    """Yield the files and links below a folder, sorted; like git, skip pipes, sockets and devices.

    wanted: called with each path, and whether it is a folder; refused paths are neither yielded nor entered.
    Raises ProvError for what can't be read, and for folders that are nested too deeply.
    """
    with readable(folder):
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield from below(top, "", folder, wanted)
        finally:
            os.close(top)


def below(fd: int, prefix: str, folder: str, wanted: Callable[[str, bool], bool]) -> Iterator[FoundFile]:
    """Yield the contents of one of these folders. prefix: its path, with a slash."""
    if prefix.count("/") >= MAX_DEPTH:
        shown = "/".join(prefix.split("/")[:3])
        raise ProvError(f"{shown}/...: more than {MAX_DEPTH} folders deep", where=folder)
    for name in sorted(os.listdir(fd)):
        path = prefix + name
        try:
            st = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            # removed a moment ago, such as an editor's temporary file
            continue
        if stat.S_ISDIR(st.st_mode):
            if wanted(path, True):
                inner = os.open(name, FOLDER, dir_fd=fd)
                try:
                    yield from below(inner, f"{path}/", folder, wanted)
                finally:
                    os.close(inner)
        elif (stat.S_ISREG(st.st_mode) or stat.S_ISLNK(st.st_mode)) and wanted(path, False):
            yield FoundFile(path, st, fd, name)


@contextlib.contextmanager
def readable(folder: str) -> Iterator[None]:
    """Turn errors of reading a folder into ProvErrors."""
    try:
        yield
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise ProvError(f"{error.filename!r} can't be read: {said}", where=folder) from None


def entry_of(found: FoundFile, folder: str, hashes: Hashes) -> Entry:
    """Return a file or link as an entry of a manifest; its contents are read again when a host asks for
    them."""
    if stat.S_ISLNK(found.st.st_mode):
        return found.path, 0o777, None, os.readlink(found.name, dir_fd=found.fd)
    digest, st = hashes.find(found.st), found.st
    if digest is None:
        with opened(found.name, found.fd) as f:
            st = os.fstat(f.fileno())
            digest = hashes.read(f)
    source = Source(digest, st.st_size)
    source.open = lambda request: open_below(folder, found.path)
    # git knows two modes; other bits depend on the umask of the checkout
    return found.path, 0o755 if st.st_mode & 0o100 else 0o644, source, ""


def opened(name: str, fd: int) -> IO[bytes]:
    """Open a regular file of a folder. Raises OSError, also for a link or pipe that has replaced the file."""
    f = os.fdopen(os.open(name, FILE, dir_fd=fd), "rb")
    if not stat.S_ISREG(os.fstat(f.fileno()).st_mode):
        f.close()
        raise OSError(0, "is no longer a file", name)
    return f


def open_below(folder: str, path: str) -> IO[bytes]:
    """Open a file below a folder, through no link on the way. Raises ProvError."""
    *folders, name = path.split("/")
    with readable(folder), contextlib.ExitStack() as stack:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, fd)
        for part in folders:
            fd = os.open(part, FOLDER, dir_fd=fd)
            stack.callback(os.close, fd)
        return opened(name, fd)


def judge(entries: list[Entry], where: str, hint: str, *, links: bool = True) -> None:
    """Raise ProvError for the first entry that would land outside its folder, or lead there.

    links: whether to judge links, too.
    """
    kinds = {path: "link" if source is None and links else "file" for path, _, source, _ in entries}
    targets = {path: target for path, _, source, target in entries if source is None}
    for fault in faults(kinds, targets):
        raise ProvError(f"{fault.path!r} is refused: {fault.why}", where=where, hint=hint)


def hashes_of(folder: str) -> Hashes:
    """Return hashes of the files in a folder of the controller, from this run and earlier ones."""
    if folder not in _hashes:
        name = hashlib.sha256(os.fsencode(Path(folder).absolute())).hexdigest()[:16]
        _hashes[folder] = Hashes(str(cache_folder("hashes") / name))
    return _hashes[folder]


def local_entries(
    folder: str, leave_out: Callable[[str], bool], *, outside_links: bool = False
) -> list[Entry]:
    """Return the entries of a folder, as tree.sync sends them. Raises ProvError.

    leave_out: returns whether a path is excluded.  outside_links: keep links that lead out of the folder.
    """
    hashes = hashes_of(folder)
    found = [entry_of(f, folder, hashes) for f in walked(folder, lambda path, _: not leave_out(path))]
    hashes.save()
    judge(
        found,
        folder,
        "Exclude it, or pass outside_links=True if links may lead there.",
        links=not outside_links,
    )
    return found


def contents(entries: Mapping[str, Entry], path: str, most: int) -> bytes:
    """Return the contents of a file of a manifest, through its links. Raises OSError, ProvError."""
    entry = entries.get(through_links(path, {p: e[3] for p, e in entries.items() if e[2] is None}))
    if entry is None or entry[2] is None or entry[2].open is None:
        raise FileNotFoundError(2, "not in the source", path)
    with entry[2].open(b"") as f:
        data = f.read(most + 1)
    if len(data) > most:
        raise ProvError(f"{path} has more than {most >> 20} MB", hint="Check that this is the right file.")
    return data
