"""What hosts of a run wait for: that the first one of an application has done what is done once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping


class Together:
    """The hosts of one run; each is on a thread of its own.

    first: by the name of an application, the first host of the run that has it. Hosts begin in the run's order, so the
    first one has begun before any other waits for it.
    """

    def __init__(self, first: Mapping[str, str] | None = None) -> None:
        self._first = dict(first or {})
        self._done: set[str] = set()
        self._ended: set[str] = set()
        self._changed = threading.Condition()

    def is_first(self, app: str, host: str) -> bool:
        """Whether a host is an application's first one in this run."""
        return self._first.get(app, host) == host

    def done(self, app: str) -> None:
        """Note that the first host has done its part for an application."""
        with self._changed:
            self._done.add(app)
            self._changed.notify_all()

    def ended(self, host: str) -> None:
        """Note that a host's run has ended, however it did."""
        with self._changed:
            self._ended.add(host)
            self._changed.notify_all()

    def wait(self, app: str) -> str:
        """Wait for an application's first host; return its name if it has ended without doing its part, else ""."""
        first = self._first[app]
        with self._changed:
            self._changed.wait_for(lambda: app in self._done or first in self._ended)
            return "" if app in self._done else first
