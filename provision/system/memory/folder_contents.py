"""What prov has put into folders that it made: only that goes with them, and never what others have put there. Shipped.

A folder that a step fills is remembered as one whole (ledger.py); the names of what it was filled with are here, each
folder's in a file of its own. They are written at the end of a run; what a run that died has not written is in its
record (made.jsonl).
"""

import contextlib
from typing import Dict, Iterator, List, Optional, Set

from provision.errors import StepError
from provision.system.memory.folder_records import Remembered

KIND = "contents"
COMPILED = "__pycache__"


class FolderContents:
    """home: the ledger's folder."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._store = Remembered(home, planned=False)
        self._names: Dict[str, Set[str]] = {}
        self._changed: Set[str] = set()
        #: folders that commands of the running step fill, and what was in them before
        self._filling: Dict[str, Set[str]] = {}

    def of(self, folder: str) -> Set[str]:
        """Paths below a folder, of all that prov has put there."""
        if folder not in self._names:
            found = self._store.get(KIND, folder)
            names = found.get("names") if found is not None else self._left(folder)
            known = names if isinstance(names, list) else []
            self._names[folder] = {name for name in known if isinstance(name, str)}
        return self._names[folder]

    def add(self, folder: str, *names: str) -> None:
        """Prov has put these into a folder."""
        if not self.of(folder).issuperset(names):
            self._names[folder].update(names)
            self._changed.add(folder)

    def discard(self, folder: str, name: str) -> None:
        """Something in a folder is gone, with all that was below it."""
        gone = {each for each in self.of(folder) if each == name or each.startswith(name + "/")}
        if gone:
            self._names[folder] -= gone
            self._changed.add(folder)

    def forget(self, folder: str) -> None:
        """A folder is gone."""
        self._names[folder] = set()
        self._changed.add(folder)

    def fill(self, folder: str) -> None:
        """A command is about to put things into a folder. What is in it now is not of this step."""
        self._filling.setdefault(folder, set(names_in(folder)))

    def filled(self) -> Iterator[str]:
        """The step has ended: take in what its commands have put into folders, and name those."""
        while self._filling:
            folder, before = self._filling.popitem()
            self.add(folder, *(name for name in names_in(folder) if name not in before))
            yield folder

    def save(self) -> None:
        """Write down what has changed. Raises OSError."""
        for folder in sorted(self._changed):
            if self._names[folder]:
                self._store.put(KIND, folder, {"names": sorted(self._names[folder])})
            else:
                self._store.drop(KIND, folder)
        self._changed.clear()

    def _left(self, folder: str) -> Optional[List[str]]:
        """What an earlier prov, which did not write it down here, has seen in a folder at the end of the run that
        filled it."""
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
    """The paths of all that is in a folder, below it; none if there is no such folder."""
    from provision.system.states import look, names_below  # shipped

    # between the two, a user may put something else there
    with contextlib.suppress(StepError, FileNotFoundError, NotADirectoryError):
        return names_below(folder) if look(folder)["kind"] == "dir" else []
    return []


def source_of(name: str) -> str:
    """What Python has compiled something from: "a/m.py" for "a/__pycache__/m.cpython-311.pyc"; of such a folder, the
    one that it is in, "" for the whole."""
    folder, _, last = name.rpartition("/")
    if last == COMPILED:
        return folder
    above, _, inner = folder.rpartition("/")
    if inner != COMPILED or not last.endswith(".pyc"):
        return name
    stem = last.split(".")[0]
    return "%s/%s.py" % (above, stem) if above else stem + ".py"
