"""What prov remembers of folders on the host, kept where only root can change it: not in those folders. Shipped.

/var/lib/prov has a file for each. Anybody who can write to a folder could change a record that is kept in it, and have
root act on what it says.
"""

import contextlib
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Dict, Optional

from provision.system.identity import as_root

if TYPE_CHECKING:
    from provision.system.undo_record import UndoRecord


class Remembered:
    """home: the ledger's folder.  planned: keep what is new in memory only.  record: keeps the state before."""

    def __init__(self, home: str, planned: bool) -> None:
        self._folder = home
        self._planned: Optional[Dict[str, Dict[str, Any]]] = {} if planned else None
        self.record: "Optional[UndoRecord]" = None

    def get(self, kind: str, path: str) -> Optional[Dict[str, Any]]:
        """What is remembered of that kind about a path; None if nothing is, or if the record is damaged."""
        at = self._place(kind, path)
        if self._planned and at in self._planned:
            return self._planned[at]
        with as_root():
            try:
                with open(at, encoding="utf-8") as f:
                    found = json.load(f)
            except (OSError, ValueError, RecursionError):
                return None
        about = isinstance(found, dict) and (found.get("kind"), found.get("path")) == (kind, path)
        return found if about else None

    def put(self, kind: str, path: str, values: Dict[str, Any]) -> None:
        """Remember that, on disk before it returns. Raises OSError."""
        from provision.system.memory.past_runs import write_whole  # shipped

        at, record = self._place(kind, path), {**values, "kind": kind, "path": path}
        if self._planned is not None:
            self._planned[at] = record
            return
        with as_root():
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            if self.record is not None:
                self.record.keep_path(at)
            write_whole(at, json.dumps(record, indent=0))

    def drop(self, kind: str, path: str) -> None:
        """Forget it."""
        with as_root(), contextlib.suppress(FileNotFoundError):
            os.unlink(self._place(kind, path))

    def _place(self, kind: str, path: str) -> str:
        name = os.path.basename(path)[:100]
        digest = hashlib.sha256(("%s\0%s" % (kind, path)).encode("utf-8", "surrogateescape")).hexdigest()
        return "%s/remembered-%s-%s-%s.json" % (self._folder, kind, name, digest[:16])
