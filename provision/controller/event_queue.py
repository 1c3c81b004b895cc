"""A queue of events whose reader still notices signals."""

from __future__ import annotations

import queue
from typing import Generic, TypeVar

E = TypeVar("E")

#: seconds between looks for a signal that came unnoticed
LOOK = 0.5


class EventQueue(Generic[E]):
    """Events from many threads to one that shows them.

    Python runs a signal's handler between two bytecodes of the main thread (docs: signal, "Execution of Python signal
    handlers"). A signal that comes after the last of these and before the wait begins, or to another thread, is
    handled when the wait ends. So a wait is made of short ones: Ctrl-C is never left until the next event.
    """

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[E] = queue.SimpleQueue()

    def put(self, event: E) -> None:
        """Add an event; from any thread, and from signal handlers."""
        self._events.put(event)

    def get(self) -> E:
        """Wait for the next event, and return it."""
        while True:
            try:
                return self._events.get(timeout=LOOK)
            except queue.Empty:
                continue
