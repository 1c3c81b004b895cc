"""The manifests of sources: each source is read once for all hosts of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from provision.controller import project_commit

if TYPE_CHECKING:
    from provision.sources.built import SourceBuild
    from provision.steps.tree import Entry


class SourceRead(NamedTuple):
    """What was read of a source. entries: its files.  commit: of a source in git; "" for a folder."""

    entries: list[Entry]
    commit: str = ""


class Manifests:
    """Every file of each source. Threads may call it at the same time: one reads, the others wait.

    apart: files and folders of this machine that are never part of a source.
    """

    def __init__(self, apart: Collection[Path] = ()) -> None:
        self._apart = apart
        self._read: dict[object, SourceRead] = {}
        self._lock = threading.Lock()

    def of(self, source: Path | str, ref: str | None, max_size: int) -> list[Entry]:
        """Return the files of a source, sorted by path. Raises ProvError if it can't be read or is refused.

        source: a local folder, or the URL of a git repository.  ref: its branch, tag or commit.
        max_size: bytes of all files.
        """
        return self._of(source, ref, max_size).entries

    def commit(self, source: Path | str, ref: str | None, max_size: int) -> str:
        """Return the commit that a source is at, in 12 digits; "" for a folder that is in no repository.

        ", modified" is added if files of a folder differ from it. Raises ProvError as `of` does.
        """
        if isinstance(source, Path):
            return project_commit.commit(source)
        return self._of(source, ref, max_size).commit[:12]

    def _of(self, source: Path | str, ref: str | None, max_size: int) -> SourceRead:
        return self._once((source, ref, max_size), lambda: read(source, ref, max_size, self._apart))

    def built(self, source: Path, max_size: int, build: SourceBuild) -> list[Entry]:
        """Return the files of a local folder, after its build; equal builds run once.

        Raises ProvError, with the output of a failed build.
        """
        from provision.sources.built import built_entries

        return self._once(
            (source, max_size, build),
            lambda: SourceRead(built_entries(source, max_size, build, self._apart)),
        ).entries

    def _once(self, key: object, found: Callable[[], SourceRead]) -> SourceRead:
        with self._lock:
            if key not in self._read:
                self._read[key] = found()
            return self._read[key]


def read(source: Path | str, ref: str | None, max_size: int, apart: Collection[Path]) -> SourceRead:
    """Read a source; see Manifests.of."""
    # imported here, as most commands read no source
    from provision.sources.local_folder import source_entries

    if isinstance(source, Path):
        project_commit.prefetch(source)
        return SourceRead(source_entries(source, max_size, apart=apart))
    from provision.sources.checkouts import checkout

    folder = checkout(source, ref, max_size)
    # a folder of the cache has the commit's name
    return SourceRead(source_entries(folder, max_size, whole=True), folder.name)
