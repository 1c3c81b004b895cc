"""How the files of a new folder differ from those of the folder before. Shipped to hosts (Python 3.8)."""

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Sequence, Tuple

from provision.steps.base import Change
from provision.steps.support.file_changes import size_text, text_change
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.host import System

#: up to this many files are compared by their lines, and files up to this size, in bytes
MOST, LARGEST = 20, 64 * 1024
#: a longer line was made by a program, such as a minifier
LONGEST_LINE = 500
#: files that programs write, and those that hold secrets: shown by name and size
NOT_SHOWN = (
    "*.lock", "package-lock.json", "*.min.*", "*.map", "*.svg", ".env*", "*.env", "*.key", "*.pem",
)  # fmt: skip

#: one file: path below the folder, permission bits, and contents or, for a link, its target
Entry = Tuple[str, int, Optional[Source], str]


class Compared:
    """A new folder beside the folder that it is like. entries: of the new one.  like: the other one.

    preserved: returns whether a path of the other one is something that the new one has by other steps.
    """

    def __init__(
        self, host: "System", entries: "Sequence[Entry]", like: str, preserved: Callable[[str], bool]
    ) -> None:
        self._host = host
        self._entries: Dict[str, Entry] = {entry[0]: entry for entry in entries}
        self._like = like
        self._preserved = preserved
        #: contents that were requested to be shown, by their hash: so they need not come a second time
        self.fetched: Dict[str, bytes] = {}

    def changes(self, most: int) -> List[Change]:
        """Return the differences. most: names of new and of removed files."""
        new, changed = [], []
        for path, entry in self._entries.items():
            now = self._host.files.stat(self._at(path))
            if now is None or now.kind == "dir":
                new.append(path)
            elif not self._same(entry):
                changed.append(path)
        gone = list(self._gone(""))
        found = [Change("new folder", "", "%d files" % len(self._entries))]
        found += [self._changed(path, shown=index < MOST) for index, path in enumerate(sorted(changed))]
        found += [Change("new file", "", "%s, %s" % (path, self._size(path))) for path in new[:most]]
        found += [Change("removed", path, "") for path in gone[:most]]
        for what, count in (("new file", len(new)), ("removed", len(gone))):
            if count > most:
                found.append(Change(what, "", "and %d more" % (count - most)))
        return found

    def _at(self, path: str) -> str:
        return "%s/%s" % (self._like, path)

    def _same(self, entry: Entry) -> bool:
        path, mode, source, target = entry
        now = self._host.files.stat(self._at(path))
        assert now is not None  # it was looked at before
        if source is None:
            return now.kind == "link" and now.target == target
        return (
            now.kind == "file"
            and now.mode == mode
            and now.size == source.size
            and self._host.files.sha256(self._at(path)) == source.sha256
        )

    def _changed(self, path: str, *, shown: bool) -> Change:
        """Return the difference of one file. shown: by its lines, if it has lines that people write."""
        _, mode, source, target = self._entries[path]
        now = self._host.files.stat(self._at(path))
        assert now is not None  # it has changed
        what = "changed file %s" % path
        if source is None or now.kind != "file":
            return Change(what, "-> %s" % now.target if now.kind == "link" else now.kind, target or "a file")
        if self._host.files.sha256(self._at(path)) == source.sha256:
            return Change(what, "mode %04o" % now.mode, "mode %04o" % mode)
        sizes = Change(what, size_text(now.size), size_text(source.size))
        name = path.rsplit("/", 1)[-1]
        if (
            not shown
            or max(now.size, source.size) > LARGEST
            or any(fnmatch(name, each) for each in NOT_SHOWN)
        ):
            return sizes
        old, new = self._host.files.read(self._at(path)), self._host.fetch(source)
        self.fetched[source.sha256] = new
        if max(map(len, [*old.splitlines(), *new.splitlines()]), default=0) > LONGEST_LINE:
            return sizes
        return text_change(what, old, new, path)

    def _size(self, path: str) -> str:
        _, _, source, target = self._entries[path]
        return "-> %s" % target if source is None else size_text(source.size)

    def _gone(self, folder: str) -> "Sequence[str]":
        """Return the files of the other folder that the new one does not have."""
        found: List[str] = []
        for name in self._host.files.list(self._at(folder) if folder else self._like):
            path = "%s/%s" % (folder, name) if folder else name
            now = self._host.files.stat(self._at(path))
            if now is None or self._preserved(path):
                continue
            if now.kind == "dir":
                found += self._gone(path)
            elif path not in self._entries:
                found.append(path)
        return found
