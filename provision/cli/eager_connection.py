"""Open a connection while the configuration is still being checked, if it was valid the last time.

The check takes about as long as sshd needs for a login. Nothing is sent over the connection before the
configuration has been found valid; if it is not, the connection ends with the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from provision.user_cache import cache_folder

if TYPE_CHECKING:
    from provision.inventory import InventoryHost
    from provision.roles.reach import PendingConnection

#: configurations remembered; when there are more, all are forgotten
MOST = 500


class EagerConnection:
    """The connection to the only host of a run. words: the command line's hosts and inventories.
    plan: whether it only predicts.

    pending: the connection, if it is being opened.
    """

    def __init__(self, words: Sequence[str], *, plan: bool) -> None:
        self._words = words
        self._plan = plan
        self._mark: Path | None = None
        self.pending: PendingConnection | None = None

    def begin(self, hosts: Sequence[InventoryHost]) -> None:
        """Connect if this exact inventory was valid the last time."""
        if len(hosts) != 1 or not hosts[0].roles:
            return
        self._mark = cache_folder("good") / self._digest(hosts[0])
        if state(str(self._mark)):
            from provision.roles.reach import PendingConnection

            self.pending = PendingConnection(hosts[0], plan=self._plan)

    def found_good(self) -> None:
        """Remember that the configuration is valid. If that fails, the next run takes a little longer."""
        if self._mark is None or self.pending is not None:
            return
        with contextlib.suppress(OSError):
            self._mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            known = list(self._mark.parent.iterdir())
            for mark in known if len(known) >= MOST else ():
                mark.unlink()
            self._mark.touch(mode=0o600)

    def _digest(self, host: InventoryHost) -> str:
        """Digest of the inventory files' sizes and times; contents are left out because they may hold
        passwords."""
        origins = [host.defined, *(located.origin for located in host.located.values())]
        files = sorted({str(origin.folder / Path(origin.file).name) for origin in origins})
        states = [(file, st.st_size, st.st_mtime_ns) for file in files if (st := state(file))]
        return hashlib.sha256(repr((Path.cwd(), *self._words, host.name, states)).encode()).hexdigest()


def state(file: str) -> os.stat_result | None:
    """Return a file's size and time, or None if it cannot be read."""
    try:
        return Path(file).stat()
    except OSError:
        return None
