"""A local folder as the source of an application: what git tracks in it, and what no .gitignore excludes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from provision.errors import ProvError
from provision.sources import lfs
from provision.sources.folder_manifests import entry_of, hashes_of, judge, open_below, walked
from provision.sources.git_index import bounded, tracked_in
from provision.sources.git_tree import MOST_ATTRIBUTES, MOST_FILES
from provision.sources.ignored import Governing, Ignored, excludes
from provision.steps.support.inside import folders_of
from provision.steps.tree import Entry

#: never part of a release, even if git tracks them: folders of version control, and files of Python and prov
NEVER = {".git", ".hg", ".svn", "__pycache__", ".prov", ".venv"}
#: part of a release only if git tracks it: it can be rebuilt from a lock file
MADE_AGAIN = {"node_modules"}


def source_entries(
    folder: Path,
    max_size: int,
    *,
    whole: bool = False,
    apart: Collection[Path] = (),
    also: Sequence[str] = (),
) -> list[Entry]:
    """Return the files of a source, sorted by path. Raises ProvError.

    whole: include everything, as for a commit.  max_size: bytes of all files.  apart: paths that are not part
    of it.
    also: paths that are part of it whatever .gitignore says, with all their contents.
    """
    rules = None if whole else Rules(folder, apart, also)
    wanted = rules.wanted if rules else lambda path, _: path.rpartition("/")[2] not in NEVER
    where, hashes = str(folder), hashes_of(str(folder))
    entries: list[Entry] = []
    left = max_size
    for found in walked(where, wanted):
        left -= found.st.st_size
        if left < 0 or len(entries) >= MOST_FILES:
            raise too_large(where, max_size)
        entries.append(entry_of(found, where, hashes))
    hashes.save()
    judge(entries, where, "Remove it, or name it in .gitignore if git does not track it.")
    if rules:
        rules.refuse_empty_modules()
        pointers = pointers_among(entries, folder, rules.work_tree)
        if pointers:
            raise lfs.refusal(pointers, where)
    return entries


def is_inside(path: str, folders: Iterable[str]) -> bool:
    """Return whether a path is one of these, or in one of them."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def too_large(where: str, max_size: int) -> ProvError:
    """Return the error for a folder that is not an application."""
    return ProvError(
        f"has more than {max_size >> 20} MB or {MOST_FILES} files",
        where=where,
        hint="Add what is not part of it to .gitignore, or raise `max_source` of the application.",
    )


class Rules:
    """The rules for what is part of a source. folder: may be in a git work tree, or contain others.

    apart: files and folders that are not.  also: paths that are, whatever .gitignore says.
    """

    def __init__(self, folder: Path, apart: Collection[Path], also: Sequence[str] = ()) -> None:
        self._folder = folder
        self._apart = apart
        self._also = tuple(also)
        self._ignored = Ignored(folder)
        self.work_tree = self._ignored.work_tree
        #: tracked paths, their parent folders, and the folders of submodules
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._modules: set[str] = set()
        self._folders |= folders_of(dict.fromkeys(self._also, "file"))
        #: ignored folders that contain a tracked file
        self._hidden: set[str] = set()
        #: the rules for the folder of the last call
        self._governing: tuple[str, Governing] = ("", self._ignored.governing(folder))
        if self.work_tree is not None:
            self._track(self.work_tree, folder.relative_to(self.work_tree).as_posix(), "")
            ways = [folder, *folder.parents][: len(folder.relative_to(self.work_tree).parts)]
            if any(excludes(self._ignored.governing(way.parent), f"{way.name}/") for way in ways):
                self._hidden.add("")

    def wanted(self, path: str, is_folder: bool) -> bool:
        """Return whether a file is part of the source, or a folder may contain files that are."""
        above, _, name = path.rpartition("/")
        if name in NEVER or self._folder / path in self._apart:
            return False
        if is_inside(path, self._also):
            return True
        if not is_folder:
            return path in self._files or not self._left_out(above, name)
        if path not in self._modules and (self._left_out(above, f"{name}/") or self._made_again(path, name)):
            if path not in self._folders:
                return False
            self._hidden.add(path)
        here = self._folder / path
        self._ignored.read(here)
        if (here / ".git").exists():
            self._track(here, ".", f"{path}/")
        return True

    def refuse_empty_modules(self) -> None:
        """Raise ProvError if a submodule has not been checked out."""
        for path in sorted(self._modules):
            folder = self._folder / path
            if folder.is_dir() and not any(folder.iterdir()):
                raise ProvError(
                    f"the submodule {path!r} is not checked out",
                    where=str(self._folder),
                    hint=f"Fetch it: git -C {self._folder} submodule update --init --recursive",
                )

    def _left_out(self, above: str, name: str) -> bool:
        if above in self._hidden:
            return True
        if self._governing[0] != above:
            self._governing = (above, self._ignored.governing(self._folder / above))
        return excludes(self._governing[1], name)

    def _made_again(self, path: str, name: str) -> bool:
        """Return whether it is a virtual environment, or another folder that only this machine can use."""
        return name in MADE_AGAIN or (self._folder / path / "pyvenv.cfg").is_file()

    def _track(self, root: Path, below: str, prefix: str) -> None:
        """Record what git tracks. below: the part of the work tree that counts.  prefix: of paths in it."""
        tracked = tracked_in(root)
        skip = "" if below == "." else f"{below}/"
        for paths, listed in ((tracked.files, self._files), (tracked.modules, self._modules)):
            ours = {prefix + path[len(skip) :] for path in paths if path.startswith(skip)}
            listed |= ours
            self._folders |= folders_of(dict.fromkeys(ours, "file"))


def pointers_among(entries: list[Entry], folder: Path, work_tree: Path | None) -> list[str]:
    """Return the paths of Git LFS pointers in a folder. Raises ProvError."""
    below = f"{folder.relative_to(work_tree).as_posix()}/" if work_tree not in (None, folder) else ""
    attributes = {
        below + path: beginning(folder, path) for path, *_ in entries if path.endswith(".gitattributes")
    }
    for above in folder.parents if below else ():
        data = bounded(above / ".gitattributes", MOST_ATTRIBUTES)
        if data is not None:
            attributes[(above / ".gitattributes").relative_to(str(work_tree)).as_posix()] = data
        if above == work_tree:
            break
    filters = lfs.Attributes(attributes).filters if attributes else lambda path: False
    small = [path for path, _, s, _ in entries if s and 0 < s.size < lfs.LARGEST and filters(below + path)]
    return [path for path in small if lfs.pointer_in(beginning(folder, path))]


def beginning(folder: Path, path: str) -> bytes:
    """Return the contents of a small file of a source; nothing for a link."""
    if (folder / path).is_symlink():
        return b""
    with open_below(str(folder), path) as f:
        return f.read(MOST_ATTRIBUTES)
