"""What the kernel would refuse of a plan. Shipped."""

import os
from typing import List, Optional, Set

from provision.system.refusals import mount_points, refuse_change, refuse_removal


class Refusals:
    """Refuses in a plan what the kernel would refuse, until a command of the plan may have changed that."""

    def __init__(self) -> None:
        #: folders whose names may change
        self._free: Set[str] = set()
        self._points: Optional[List[str]] = None

    def refuse(self, path: str, here: str, *, real: bool, named: bool, removed: bool) -> None:
        """Raise OSError for a change of a real path. real: whether it exists.  named: its name stays."""
        folder = os.path.dirname(here)
        # what the plan itself has made changes as the plan likes
        if real or not (named or folder in self._free):
            refuse_change(path, here if real else "", "" if named else folder)
            self._free.update([] if named else [folder])
        if removed and real:
            self._points = mount_points() if self._points is None else self._points
            refuse_removal(here, self._points)
