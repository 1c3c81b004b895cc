"""Lets hosts of a run wait for each other: for an application's first host, or for what others provide."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence


class SharedWork:
    """The hosts of one run; each has its own thread.

    first: application name -> the first host of the run that has it.
    order: host names in the order in which they start. A host waits only for hosts that started before it.
    serving: names of hosts that get their applications in this run, with settings such as passwords.
    """

    def __init__(
        self,
        first: Mapping[str, str] | None = None,
        order: Sequence[str] = (),
        serving: Collection[str] = (),
    ) -> None:
        self._first = dict(first or {})
        self._order = list(order)
        self._serving = frozenset(serving)
        self._reached: set[str] = set()
        self._provided: set[str] = set()
        self._failed: set[str] = set()
        self._done: set[str] = set()
        self._ended: set[str] = set()
        self._changed = threading.Condition()

    def is_first(self, app: str, host: str) -> bool:
        """Return whether a host is an application's first one in this run."""
        return self._first.get(app, host) == host

    def done(self, app: str) -> None:
        """Note that the first host has done its part for an application."""
        with self._changed:
            self._done.add(app)
            self._changed.notify_all()

    def reached(self, host: str) -> None:
        """Note that a host has answered."""
        with self._changed:
            self._reached.add(host)
            self._changed.notify_all()

    def provided(self, host: str) -> None:
        """Note that a host has done what its roles provide to applications."""
        with self._changed:
            self._provided.add(host)
            self._changed.notify_all()

    def is_before(self, host: str, other: str) -> bool:
        """Return whether a host of this run starts before another one."""
        return host in self._order[: self._order.index(other)] if other in self._order else False

    def takes_from(self, host: str, client: str) -> bool:
        """Return whether a host's applications get, in this run, what another one hands over: both are in it, in
        that order."""
        return client in self._serving and (client == host or self.is_before(host, client))

    def wait_reached(self, host: str) -> bool:
        """Wait until a host has answered; return False if its run fails before that."""
        with self._changed:
            self._changed.wait_for(lambda: host in self._reached or host in self._ended)
            return host in self._reached

    def wait_provided(self, host: str) -> bool:
        """Wait until a host provides what applications use; return False if its run fails before that."""
        with self._changed:
            self._changed.wait_for(lambda: host in self._provided or host in self._ended)
            return host in self._provided or host not in self._failed

    def ended(self, host: str, *, failed: bool = False) -> None:
        """Note that a host's run has ended, with or without success."""
        with self._changed:
            self._ended.add(host)
            if failed:
                self._failed.add(host)
            self._changed.notify_all()

    def wait(self, app: str) -> str:
        """Wait for an application's first host.

        Return its name if it ended without doing its part, else "".
        """
        first = self._first[app]
        with self._changed:
            self._changed.wait_for(lambda: app in self._done or first in self._ended)
            return "" if app in self._done else first
