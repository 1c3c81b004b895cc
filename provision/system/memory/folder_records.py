"""Records about folders of the host, kept where only root can change them instead of in the folders. Shipped.

/var/lib/prov has a file for each. A user who can write to a folder could change a record in it, and so make
root act on false data.
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
    """Records about folders.

    home: the ledger's folder.  planned: keep new ones in memory only.  record: keeps the former state.
    """

    def __init__(self, home: str, planned: bool) -> None:
        self._folder = home
        self._planned: Optional[Dict[str, Dict[str, Any]]] = {} if planned else None
        self.record: "Optional[UndoRecord]" = None

    def get(self, kind: str, path: str) -> Optional[Dict[str, Any]]:
        """Return the record of a kind about a path; None if there is none, or if it is damaged."""
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
        """Write a record; it is on disk when this returns. Raises OSError."""
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
        """Remove a record."""
        with as_root(), contextlib.suppress(FileNotFoundError):
            os.unlink(self._place(kind, path))

    def _place(self, kind: str, path: str) -> str:
        name = os.path.basename(path)[:100]
        digest = hashlib.sha256(("%s\0%s" % (kind, path)).encode("utf-8", "surrogateescape")).hexdigest()
        return "%s/remembered-%s-%s-%s.json" % (self._folder, kind, name, digest[:16])
