"""Sources in git: fetched once into a cache on the controller, so that hosts need neither git nor its keys.

Nothing in a repository runs here, and git checks nothing out: prov lists the entries, judges them, and
writes them one by one. Only its user can read the cache.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from provision.sources import lfs
from provision.sources.export import ExportFolder, new_folder
from provision.sources.git_tree import Blob, BlobReader, blobs_of
from provision.sources.mirror import Mirror, locked_mirror
from provision.sources.urls import Remote, remote_of

#: the default limit for all files of a source, in bytes
MAX_SOURCE = 2 * 1024**3


def checkout(url: str, ref: str | None, max_size: int = MAX_SOURCE) -> Path:
    """Return a folder with the files of a commit, of its submodules, and those that Git LFS keeps for it.

    url: of the repository.  ref: branch, tag or commit; None is its current default branch.
    max_size: bytes of all files.
    Raises ProvError if git is missing, the repository can't be read, it lacks the ref, or its files would
    land outside the folder.
    """
    with ExitStack() as stack:
        mirrors = Mirrors(stack)
        mirror = mirrors.of(remote_of(url))
        commit = mirror.commit_of(ref)
        folder = mirror.trees / commit
        if not folder.is_dir():
            contents = BlobReader(stack)
            blobs = blobs_of(mirror, commit, contents, mirrors.having, max_size)
            pointers = pointers_in(blobs, contents)
            lfs_files = lfs.fetched(pointers, max_size - sum(blob.size for blob in blobs))
            with new_folder(folder) as new:
                for blob in blobs:
                    write(new, blob, contents, lfs_files.get(blob.path))
        return folder


def pointers_in(blobs: list[Blob], contents: BlobReader) -> list[tuple[Blob, lfs.Pointer]]:
    """Return the Git LFS pointers among the files of a commit."""
    attributes = {b.path: contents.all(b) for b in blobs if b.attributes}
    filters = lfs.Attributes(attributes).filters if attributes else lambda path: False
    small = [b for b in blobs if not b.link and 0 < b.size < lfs.LARGEST and filters(b.path)]
    found = [(b, lfs.pointer_in(contents.all(b))) for b in small]
    return [(blob, pointer) for blob, pointer in found if pointer is not None]


def write(new: ExportFolder, blob: Blob, contents: BlobReader, elsewhere: Path | None) -> None:
    """Make one file or link. elsewhere: the file with its contents, if LFS keeps them."""
    if blob.link:
        new.link(blob.path, contents.all(blob).decode())
    elif elsewhere is not None:
        with elsewhere.open("rb") as f:
            new.file(blob.path, blob.executable, partial(lfs.pieces, f))
    else:
        new.file(blob.path, blob.executable, partial(contents.read, blob))


class Mirrors:
    """The repositories that one checkout reads; each is locked once."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._open: dict[str, Mirror] = {}

    def of(self, remote: Remote) -> Mirror:
        """Return the mirror of a remote, locked until the stack ends. Raises ProvError."""
        if remote.url not in self._open:
            self._open[remote.url] = self._stack.enter_context(locked_mirror(remote))
        return self._open[remote.url]

    def having(self, remote: Remote, commit: str) -> Mirror:
        """Return the mirror of a submodule that contains this commit. Raises ProvError."""
        mirror = self.of(remote)
        mirror.commit_of(commit)
        return mirror
