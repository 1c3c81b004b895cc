"""The things that prov has made on a host, and their contents: a part of the ledger. Shipped.

"path /etc/x", "user shop", "group web" -> role and step, and whether it is one whole: a folder that was
filled when it was made. The contents of a whole are not listed here, but by name in folder_contents.py.
"""

import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Sequence, Tuple

from provision.system.memory.folder_contents import FolderContents, source_of

if TYPE_CHECKING:
    from provision.system.memory.run_journal import Journal


class Made:
    """The things that prov made.

    data: the ledger's.  record: of this run, once it changes something.  maker: role and label of the step.
    """

    data: Dict[str, Any]
    record: "Optional[Journal]"
    maker: Tuple[str, str]
    contents: FolderContents

    def made(self, kind: str, name: str, whole: bool = False) -> None:
        """Note a thing that did not exist before prov made it."""
        if any(self._is_own_whole("%s %s" % (kind, above)) for above, _ in folders_of(name)):
            return
        role, label = self.maker
        self._set_made("%s %s" % (kind, name), {"role": role, "step": label, "whole": whole})

    def made_by_this(self, thing: str) -> bool:
        """Return whether the running step, or one with its name in an earlier run, has made it."""
        entry = self.data["made"].get(thing)
        return entry is not None and (entry["role"], entry["step"]) == self.maker

    def _is_own_whole(self, thing: str) -> bool:
        """Return whether that step has made it with all of its contents."""
        return self.made_by_this(thing) and bool(self.data["made"][thing]["whole"])

    def whole(self, path: str) -> None:
        """Note that the step that made a folder also fills it."""
        thing = "path %s" % path
        if thing in self.data["made"]:
            self._set_made(thing, {**self.data["made"][thing], "whole": True})

    def filled(self, path: str, names: Sequence[str]) -> None:
        """Note that the step that once made a folder has put all of its contents there.

        That may happen only now, if a run was killed halfway and this one made the rest. names: the contents,
        below the folder.
        """
        thing = "path %s" % path
        if not self.made_by_this(thing):
            return
        for below in [each for each in self.data["made"] if each.startswith(thing + "/")]:
            if self.made_by_this(below):
                self._set_made(below, None)
                # after that in the run's record, which is read in order
                self.contents.discard(path, below[len(thing) + 1 :])
                self._put_inside(path, below[len(thing) + 1 :])
        if not self.data["made"][thing]["whole"]:
            self.whole(path)
        for name in names:
            self._put_inside(path, name)

    def wrote(self, path: str) -> None:
        """Note that the running step has written a path, perhaps in its own whole."""
        for above, name in folders_of(path):
            if self._is_own_whole("path %s" % above):
                self._put_inside(above, name)

    def _put_inside(self, folder: str, name: str) -> None:
        if name not in self.contents.of(folder):
            if self.record is not None:
                self.record.inside(folder, name)
            self.contents.add(folder, name)

    def filling(self, folder: str) -> None:
        """Note that a command of the running step is about to fill a folder."""
        if self.record is not None:
            self.record.filling(folder)
        self.contents.fill(folder)

    def settle(self) -> None:
        """After the running step, note what its commands have put into folders."""
        for folder in self.contents.filled():
            self.whole(folder)

    def gone(self, kind: str, name: str) -> bool:
        """Note a removal with everything below; return whether the running step had made it as a whole."""
        thing = "%s %s" % (kind, name)
        own = self._is_own_whole(thing)
        if kind == "path":
            self._forget_inside(name)
        for known in [each for each in self.data["made"] if each == thing or each.startswith(thing + "/")]:
            self._set_made(known, None)
        return own

    def has_made(self, path: str) -> bool:
        """Return whether prov has made a path, directly or as a part of a folder that it filled."""
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
        """Set or remove an entry.

        It goes to the run's record at once, because the ledger is only saved at the end of the run.
        """
        if self.record is not None:
            self.record.remembers("thing", thing, entry)
        put(self.data["made"], thing, entry)


def put(made: Dict[str, Any], thing: str, entry: Optional[Dict[str, Any]]) -> None:
    if entry is None:
        made.pop(thing, None)
    else:
        # keep the units that read it
        made[thing] = {**made.get(thing, {}), **entry}


def folders_of(path: str) -> Iterator[Tuple[str, str]]:
    """Yield the folders above a path, nearest first, each with the rest of the path."""
    above = os.path.dirname(path)
    while len(above) > 1:
        yield above, path[len(above) + 1 :]
        above = os.path.dirname(above)
