"""A run over a target on a platform: its steps run on the controller, and events are those of a deploy.

All steps are checked before the first one is applied, and what is applied is what was checked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from provision.controller.event_queue import EventQueue
from provision.controller.events import Event, HostDone, Notice, StepDone, Tally
from provision.errors import ProvError, UnreachableError
from provision.steps.base import Diff

Note = Callable[[str], None]


class PlatformStep(Protocol):
    """One piece of wanted state on a platform, like a step on a host. name: as plans show it."""

    name: str

    def check(self) -> Diff:
        """Return what differs from what is wanted. Changes nothing. Raises ProvError."""

    def apply(self, note: Note) -> None:
        """Make it so, after `check` found a difference. note: shows progress. Raises ProvError."""


class PlatformRun:
    """A run: iterate over its events. tallies: counts of steps, by target.  role: what events name as such.

    steps: returns the steps of the target, given what shows progress; it is called on the run's thread.
    hidden: removes secrets from the text of errors.
    """

    def __init__(
        self,
        name: str,
        role: str,
        steps: Callable[[Note], Sequence[PlatformStep]],
        hidden: Callable[[str], str],
        *,
        plan: bool,
    ) -> None:
        self.role = role
        self.tallies = {name: Tally()}
        self._name = name
        self._steps = steps
        self._hidden = hidden
        self._plan = plan
        self._queue: EventQueue[Event] = EventQueue()

    def __iter__(self) -> Iterator[Event]:
        threading.Thread(target=self._run, daemon=True).start()
        while True:
            event = self._queue.get()
            self.tallies[self._name].count(event)
            yield event
            if isinstance(event, HostDone):
                return

    def _run(self) -> None:
        began, error = time.monotonic(), None
        try:
            self._converge()
        except ProvError as problem:
            problem.hide(self._hidden)
            error = problem
        except Exception as bug:
            message = self._hidden(f"{type(bug).__name__}: {bug}")
            error = ProvError(message, hint="This is a mistake in prov; please report it.")
        unreachable = isinstance(error, UnreachableError)
        self._queue.put(HostDone(self._name, time.monotonic() - began, error, unreachable))

    def _note(self, text: str) -> None:
        self._queue.put(Notice(self._name, self._hidden(text)))

    def _converge(self) -> None:
        for step, diff, ms in [self._checked(step) for step in self._steps(self._note)]:
            began = time.monotonic()
            if diff and not self._plan:
                step.apply(self._note)
                ms += (time.monotonic() - began) * 1000
            state = "changed" if diff else "ok"
            done = StepDone(self._name, self.role, step.name, state, diff.why, tuple(diff.changes), ms)
            self._queue.put(done)

    @staticmethod
    def _checked(step: PlatformStep) -> tuple[PlatformStep, Diff, float]:
        began = time.monotonic()
        return step, step.check(), (time.monotonic() - began) * 1000
