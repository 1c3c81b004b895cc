"""Agents in the namespaces of a lab host: real units, packages, databases and rules, without a login for each run.

A run takes some milliseconds and what the step itself takes, so pasts of whole hosts can be drawn as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import spaces
from forked import Host
from pictures import Picture

#: all that a lab host has of its own
KINDS = ("ipc", "uts", "net", "pid", "mnt")


class Inside(Host):
    """A lab host. Agents run in this machine's Python and C library; of the host's libraries they load none.

    ask: what a command prints on it (lab/helpers/hosts.py, on).
    look: what of it must not change but by the deploys; by default nothing is looked at.
    Draws share the host: each begins with `fresh`, and its test sets things back.
    """

    def __init__(self, ask: Callable[..., str], look: Callable[[], Picture] = dict) -> None:
        self.root = Path("/")
        self.over, self.kept = (), False
        self._init = spaces.init_of(ask("readlink", "/proc/self/ns/pid"))
        self._look = look
        self._numbers = itertools.count()
        self.fresh()

    def fresh(self) -> Inside:
        """Forget what prov has done here."""
        self._number = next(self._numbers)
        return self

    @property
    def ledger(self) -> str:
        return f"/var/lib/prov-past/{self._number}"

    def looks(self, look: Callable[[], Picture]) -> None:
        """Have pictures of it be what a function finds there."""
        self._look = look

    def picture(self) -> Picture:
        return self.sees(self._look)

    def _begin(self) -> None:
        """It is there."""

    def _enter(self) -> None:
        spaces.names_from_files()
        spaces.join(self._init, *KINDS)
