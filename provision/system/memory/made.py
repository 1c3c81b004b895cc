"""What prov has made on a host, and what was put into the folders that it made: a part of the ledger. Shipped.

"path /etc/x", "user shop", "group web" -> role and step, and whether it is one whole: a folder that was filled as it
was made. What was put into a whole is not remembered thing by thing here, but by name (folder_contents.py).
"""

import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Sequence, Tuple

from provision.system.memory.folder_contents import FolderContents, source_of

if TYPE_CHECKING:
    from provision.system.memory.run_journal import Journal


class Made:
    """data: the ledger's.  record: of this run, once it changes something.  maker: role and label of the step."""

    data: Dict[str, Any]
    record: "Optional[Journal]"
    maker: Tuple[str, str]
    contents: FolderContents

    def made(self, kind: str, name: str, whole: bool = False) -> None:
        """Something is there that was not there before prov made it."""
        if any(self._is_own_whole("%s %s" % (kind, above)) for above, _ in folders_of(name)):
            return
        role, label = self.maker
        self._set_made("%s %s" % (kind, name), {"role": role, "step": label, "whole": whole})

    def made_by_this(self, thing: str) -> bool:
        """Whether the running step, or one of its name in an earlier run, has made it."""
        entry = self.data["made"].get(thing)
        return entry is not None and (entry["role"], entry["step"]) == self.maker

    def _is_own_whole(self, thing: str) -> bool:
        """Whether it has made it with all that is in it."""
        return self.made_by_this(thing) and bool(self.data["made"][thing]["whole"])

    def whole(self, path: str) -> None:
        """A folder that was made is filled by the same step."""
        thing = "path %s" % path
        if thing in self.data["made"]:
            self._set_made(thing, {**self.data["made"][thing], "whole": True})

    def filled(self, path: str, names: Sequence[str]) -> None:
        """The step that once made a folder has put all into it that belongs there: perhaps only now, after a run that
        died half-way, so that this one has made some of it. names: all that belongs there, below the folder."""
        thing = "path %s" % path
        if not self.made_by_this(thing):
            return
        for below in [each for each in self.data["made"] if each.startswith(thing + "/")]:
            if self.made_by_this(below):
                self._set_made(below, None)
                # said after that in the run's record, which is read in its order
                self.contents.discard(path, below[len(thing) + 1 :])
                self._put_inside(path, below[len(thing) + 1 :])
        if not self.data["made"][thing]["whole"]:
            self.whole(path)
        for name in names:
            self._put_inside(path, name)

    def wrote(self, path: str) -> None:
        """The running step has put something at a path, perhaps into a whole of its own."""
        for above, name in folders_of(path):
            if self._is_own_whole("path %s" % above):
                self._put_inside(above, name)

    def _put_inside(self, folder: str, name: str) -> None:
        if name not in self.contents.of(folder):
            if self.record is not None:
                self.record.inside(folder, name)
            self.contents.add(folder, name)

    def filling(self, folder: str) -> None:
        """A command of the running step is about to fill a folder."""
        if self.record is not None:
            self.record.filling(folder)
        self.contents.fill(folder)

    def settle(self) -> None:
        """The running step has ended: what its commands have put into folders is known."""
        for folder in self.contents.filled():
            self.whole(folder)

    def gone(self, kind: str, name: str) -> bool:
        """Something is removed, with all that is below it. Whether it was a whole that the running step had made."""
        thing = "%s %s" % (kind, name)
        own = self._is_own_whole(thing)
        if kind == "path":
            self._forget_inside(name)
        for known in [each for each in self.data["made"] if each == thing or each.startswith(thing + "/")]:
            self._set_made(known, None)
        return own

    def has_made(self, path: str) -> bool:
        """Whether prov has put something there, by itself or as a part of a folder that it has filled."""
        if "path %s" % path in self.data["made"]:
            return True
        for above, name in folders_of(path):
            if self.data["made"].get("path %s" % above, {}).get("whole"):
                names = self.contents.of(above)
                source = source_of(name)
                if name in names or not source or source in names:
                    return True
        return False

    def _forget_inside(self, path: str) -> None:
        for above, name in folders_of(path):
            if self.data["made"].get("path %s" % above, {}).get("whole"):
                self.contents.discard(above, name)
        for thing, entry in self.data["made"].items():
            if entry.get("whole") and (thing + "/").startswith("path %s/" % path):
                self.contents.forget(thing[len("path ") :])

    def _set_made(self, thing: str, entry: Optional[Dict[str, Any]]) -> None:
        """Remember something, or forget it; now, as the ledger is saved at the end of the run, if it comes to that."""
        if self.record is not None:
            self.record.remembers("thing", thing, entry)
        put(self.data["made"], thing, entry)


def put(made: Dict[str, Any], thing: str, entry: Optional[Dict[str, Any]]) -> None:
    if entry is None:
        made.pop(thing, None)
    else:
        # which units read it was known before
        made[thing] = {**made.get(thing, {}), **entry}


def folders_of(path: str) -> Iterator[Tuple[str, str]]:
    """The folders that a path is in, the nearest first, each with the rest of the path."""
    above = os.path.dirname(path)
    while len(above) > 1:
        yield above, path[len(above) + 1 :]
        above = os.path.dirname(above)
