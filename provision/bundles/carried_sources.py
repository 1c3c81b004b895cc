"""The sources of applications in a bundle: as they were read on the controller, files of a build included."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from provision.sources.local_folder import source_entries
from provision.sources.manifests import Manifests

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.sources.built import SourceBuild
    from provision.steps.tree import Entry


class CarriedSource(Manifests):
    """Has the source of one application in a folder. commit: as histories show it."""

    def __init__(self, folder: Path, commit: str, apart: Collection[Path] = ()) -> None:
        super().__init__(apart)
        self._folder, self._commit = folder, commit

    def of(self, source: Path | str, ref: str | None, max_size: int) -> list[Entry]:
        """Return the files that the bundle has."""
        return source_entries(self._folder, max_size, whole=True)

    def commit(self, source: Path | str, ref: str | None, max_size: int) -> str:
        """Return the commit that the bundle was made from."""
        return self._commit

    def built(self, source: Path, max_size: int, build: SourceBuild) -> list[Entry]:
        """Return the same: the build ran on the controller."""
        return self.of(source, None, max_size)


def take_over(apps: Collection[Application], folder: Path, commits: Mapping[str, str]) -> None:
    """Have applications read their sources from an unpacked bundle. folder: of all of them."""
    for app in apps:
        app.read_by(CarriedSource(folder / app.name, commits[app.name]))
