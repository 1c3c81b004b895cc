"""Files that .gitignore excludes from a local folder. Source: gitignore(5)."""

from __future__ import annotations

from pathlib import Path

from provision.sources.git_index import bounded
from provision.sources.patterns import Patterns

#: largest size of a .gitignore in bytes
MOST = 1024 * 1024
Governing = list[tuple[Patterns, str]]


class Ignored:
    """The .gitignore files that apply to a folder: its own, those below, those above up to the repository.

    Patterns of a deeper file override those above it.
    """

    def __init__(self, folder: Path) -> None:
        self._specs: dict[Path, Patterns] = {}
        for above in [folder, *folder.parents]:
            self.read(above)
            if (above / ".git").exists():
                #: the work tree that contains the folder; None if there is none
                self.work_tree: Path | None = above
                break
        else:
            # not in a repository: files further up do not apply
            self._specs = {d: s for d, s in self._specs.items() if d == folder}
            self.work_tree = None

    def read(self, folder: Path) -> None:
        """Read a folder's .gitignore. A link is ignored, as in git. Raises ProvError."""
        data = None if folder in self._specs else bounded(folder / ".gitignore", MOST)
        if data is not None:
            self._specs[folder] = Patterns(data)

    def governing(self, here: Path) -> Governing:
        """Return the files that apply to a folder, nearest first, each with the path from it."""
        found = []
        for folder in (here, *here.parents):
            if folder in self._specs:
                way = "" if folder == here else here.relative_to(folder).as_posix() + "/"
                found.append((self._specs[folder], way))
        return found


def excludes(governing: Governing, name: str) -> bool:
    """Return whether an entry of a folder is ignored. name: with a final slash if it is a folder."""
    for spec, way in governing:
        verdict = spec.verdict(way + name.rstrip("/"), name.endswith("/"))
        if verdict is not None:
            return verdict
    return False
