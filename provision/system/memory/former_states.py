"""The states that a run kept from before its changes (kept.jsonl), and left at its end (left.json).

Shipped.
"""

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from provision.errors import StepError
from provision.system.account_lines import by_name
from provision.system.memory import records
from provision.system.memory.past_runs import INCOMPLETE, Runs, lines, write_whole
from provision.system.states import State, look, names_below

if TYPE_CHECKING:
    from provision.system.units import Units

#: account files, with one account a line, keyed by the first field (passwd(5), shadow(5), group(5),
#: gshadow(5), subuid(5))
ACCOUNTS = ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid")


class FormerStates:
    """Former states of one run: the first known state of each thing.

    paths: path -> {"was": State, "copy": name of the kept contents, "lost": why they are missing,
    "whole": made with all of its contents, "spare": a copy that programs make for themselves}.
    units: name -> {"was": words of UnitState, "did": verbs}.  unit_entries: the ledger's entries of units.
    accounts: (file, name) -> {"was", "now": lines or None, "after": name in the line before}.
    """

    def __init__(self, runs: Runs, id: int) -> None:
        self.folder = runs.at(id)
        self.paths: Dict[str, Dict[str, Any]] = {}
        self.units: Dict[str, Dict[str, Any]] = {}
        self.unit_entries: Dict[str, Optional[Dict[str, Any]]] = {}
        self.accounts: Dict[Tuple[str, str], Dict[str, Any]] = {}
        self.incomplete = os.path.exists(runs.at(id, INCOMPLETE))
        pending: Optional[Dict[str, str]] = None
        try:
            for entry in lines(runs.at(id, "kept.jsonl"), records.former):
                if "texts" in entry:
                    pending = entry["texts"]
                elif "accounts" in entry:
                    self._accounts(entry["accounts"])
                    pending = None
                else:
                    self._take(entry)
            if pending is not None:
                # the run was killed while accounts changed
                self._accounts(account_changes(pending, account_texts()))
        except KeyError:
            # a path marked as a whole must have an entry already
            raise StepError("%s is damaged" % runs.at(id, "kept.jsonl")) from None

    def __bool__(self) -> bool:
        return bool(self.paths or self.units or self.accounts)

    def copy_of(self, entry: Dict[str, Any]) -> str:
        """Return the path of a file's kept contents."""
        return os.path.join(self.folder, "kept", entry["copy"])

    def left(self) -> Optional[Dict[str, Any]]:
        """Return "paths" and "units" at the run's end.

        Returns None if the run was killed and no other one has followed.
        """
        try:
            left: Dict[str, Any] = records.load(os.path.join(self.folder, "left.json"), records.LEFT)
            return left
        except FileNotFoundError:
            return None
        except (OSError, records.Damaged):
            raise StepError("%s is damaged" % os.path.join(self.folder, "left.json")) from None

    def now(self, units: "Units", made: "Callable[[str], bool]" = lambda path: True) -> Dict[str, Any]:
        """Return the same for the present. made: whether prov has put something at a path."""
        enabled: Dict[str, str] = {}
        # a unit that systemd does not answer for is not compared
        with contextlib.suppress(StepError):
            units.expect(self.units)
            enabled.update((name, units.state(name).enabled) for name in self.units)
        return {"paths": {path: self.state(path, made) for path in self.paths}, "units": enabled}

    def state(self, path: str, made: "Callable[[str], bool]") -> State:
        """Return the present state of a path.

        A folder to be removed as a whole comes with prov's contents.
        """
        found = look(path)
        if self.paths[path].get("whole") and found["kind"] == "dir":
            names = names_below(path)
            # some folders have no records, such as homes
            known = made(path)
            found["names"] = [name for name in names if not known or made("%s/%s" % (path, name))]
        return found

    def seal(self, units: "Units", made: "Callable[[str], bool]") -> None:
        """Write the state that the run has left, unless it is already written. Raises OSError."""
        path = os.path.join(self.folder, "left.json")
        if not os.path.exists(path):
            write_whole(path, json.dumps(self.now(units, made)))

    def _take(self, entry: Dict[str, Any]) -> None:
        if "path" in entry:
            self.paths.setdefault(entry["path"], entry)
        elif "whole" in entry:
            self.paths[entry["whole"]]["whole"] = True
        elif "unit" in entry:
            unit = self.units.setdefault(entry["unit"], {"was": entry["was"], "did": []})
            unit["did"].append(entry["did"])
        else:
            self.unit_entries.setdefault(entry["fed"], entry["was"])

    def _accounts(self, changes: List[Dict[str, Any]]) -> None:
        for change in changes:
            first = self.accounts.setdefault((change["file"], change["name"]), change)
            first["now"] = change["now"]


def account_texts() -> Dict[str, str]:
    """Return the texts of the account files that exist. Raises OSError."""
    found = {}
    for path in ACCOUNTS:
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="surrogateescape") as f:
                found[path] = f.read()
    return found


def account_changes(before: Dict[str, str], after: Dict[str, str]) -> List[Dict[str, Any]]:
    """Return the lines that differ, by file and name."""
    found = []
    for path in sorted({*before, *after}):
        old, new = by_name(before.get(path, "")), by_name(after.get(path, ""))
        names = list(old)
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                above = names[names.index(name) - 1] if name in old and names[0] != name else ""
                line = {"was": old.get(name), "now": new.get(name), "after": above}
                found.append({"file": path, "name": name, **line})
    return found
