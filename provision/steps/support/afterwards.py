"""Predicts what will exist once the states from before a run are restored. Shipped for undo."""

import os
import re
from typing import Dict, List, Optional

from provision.system.paths import MAX_LINKS, kind_of
from provision.system.states import State

#: what a service needs in order to start (systemd.service(5), systemd.exec(5)): its program, folder and
#: settings
NEEDS = re.compile(r"(?m)^(?:ExecStart=[-@:+!|]*(/\S+)|WorkingDirectory=(/.*)|EnvironmentFile=(/.*))$")


class Afterwards:
    """coming: the states to restore, by path; {"kind": "absent"} for a path to remove."""

    def __init__(self, coming: Dict[str, State]) -> None:
        self._coming = coming

    def exists(self, path: str) -> bool:
        """Return whether something will exist at a path, following links."""
        parts, here, links = [part for part in path.split("/") if part], "", 0
        while parts:
            part = parts.pop(0)
            if part == "..":
                here = os.path.dirname(here).rstrip("/")
                continue
            here = "%s/%s" % (here, part)
            state = self._state(here)
            if state is None:
                return False
            if state["kind"] == "link":
                links += 1
                if links > MAX_LINKS:
                    return False
                target: str = state["target"]
                here = "" if target.startswith("/") else os.path.dirname(here).rstrip("/")
                parts = [each for each in target.split("/") if each not in ("", ".")] + parts
        return True

    def missing(self, unit: str, instance: str) -> List[str]:
        """Return what a unit with this file names and will not find. instance: the value of %i."""
        found = [next(filter(None, groups)) for groups in NEEDS.findall(unit)]
        paths = [path.replace("%i", instance) for path in found]
        return [path for path in paths if "%" not in path and not self.exists(path)]

    def _state(self, path: str) -> Optional[State]:
        state = self._coming.get(path)
        if state is None:
            # not states.look: file contents do not matter here
            try:
                kind = kind_of(os.lstat(path).st_mode)
                state = {"kind": kind, "target": os.readlink(path) if kind == "link" else ""}
            except (FileNotFoundError, NotADirectoryError):
                return None
        return None if state["kind"] == "absent" else state
