"""The contents that prov has put into folders that it made: only these are removed with them. Shipped.

A folder that a step fills is remembered as one whole (ledger.py). The names of its contents are kept here, in
a file for each folder, written at the end of a run. If a run is killed, its record has the rest (made.jsonl).
"""

import contextlib
from typing import Dict, Iterator, List, Optional, Set

from provision.errors import StepError
from provision.system.memory.folder_records import Remembered

KIND = "contents"
COMPILED = "__pycache__"


class FolderContents:
    """The contents of folders. home: the ledger's folder."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._store = Remembered(home, planned=False)
        self._names: Dict[str, Set[str]] = {}
        self._changed: Set[str] = set()
        #: folders that commands of the running step fill, with their earlier contents
        self._filling: Dict[str, Set[str]] = {}

    def of(self, folder: str) -> Set[str]:
        """Return the paths, below a folder, of everything that prov has put there."""
        if folder not in self._names:
            found = self._store.get(KIND, folder)
            names = found.get("names") if found is not None else self._left(folder)
            known = names if isinstance(names, list) else []
            self._names[folder] = {name for name in known if isinstance(name, str)}
        return self._names[folder]

    def add(self, folder: str, *names: str) -> None:
        """Note that prov has put these names into a folder."""
        if not self.of(folder).issuperset(names):
            self._names[folder].update(names)
            self._changed.add(folder)

    def discard(self, folder: str, name: str) -> None:
        """Note that a name in a folder is gone, with everything below it."""
        gone = {each for each in self.of(folder) if each == name or each.startswith(name + "/")}
        if gone:
            self._names[folder] -= gone
            self._changed.add(folder)

    def forget(self, folder: str) -> None:
        """Note that a folder is gone."""
        self._names[folder] = set()
        self._changed.add(folder)

    def fill(self, folder: str) -> None:
        """Note that a command is about to fill a folder. Its present contents do not belong to this step."""
        self._filling.setdefault(folder, set(names_in(folder)))

    def filled(self) -> Iterator[str]:
        """After the step, add what its commands have put into folders, and return those folders."""
        while self._filling:
            folder, before = self._filling.popitem()
            self.add(folder, *(name for name in names_in(folder) if name not in before))
            yield folder

    def save(self) -> None:
        """Write what has changed. Raises OSError."""
        for folder in sorted(self._changed):
            if self._names[folder]:
                self._store.put(KIND, folder, {"names": sorted(self._names[folder])})
            else:
                self._store.drop(KIND, folder)
        self._changed.clear()

    def _left(self, folder: str) -> Optional[List[str]]:
        """Return a folder's contents at the end of the run that filled it.

        This is for runs of an older prov, which did not write this record.
        """
        from provision.system.memory.former_states import FormerStates  # shipped
        from provision.system.memory.past_runs import Runs  # shipped

        runs = Runs(self._home)
        for id in reversed(runs.ids()):
            try:
                left = FormerStates(runs, id).left() or {}
            except (StepError, OSError):
                continue
            found = left.get("paths", {}).get(folder)
            if isinstance(found, dict) and "names" in found:
                names: List[str] = found["names"]
                return names
        return None


def names_in(folder: str) -> List[str]:
    """Return the paths of a folder's contents, below it; none if the folder does not exist."""
    from provision.system.states import look, names_below  # shipped

    # between the two calls, a user may put something else there
    with contextlib.suppress(StepError, FileNotFoundError, NotADirectoryError):
        return names_below(folder) if look(folder)["kind"] == "dir" else []
    return []


def source_of(name: str) -> str:
    """Return the source of a compiled Python file: "a/m.py" for "a/__pycache__/m.cpython-311.pyc".

    For such a folder it is the parent folder; "" is the whole.
    """
    folder, _, last = name.rpartition("/")
    if last == COMPILED:
        return folder
    above, _, inner = folder.rpartition("/")
    if inner != COMPILED or not last.endswith(".pyc"):
        return name
    stem = last.split(".")[0]
    return "%s/%s.py" % (above, stem) if above else stem + ".py"
