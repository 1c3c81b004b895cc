"""A run over a target on a platform: its steps run on the controller, and events are those of a deploy.

All steps are checked before the first one is applied, and what is applied is what was checked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Protocol, runtime_checkable

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


@runtime_checkable
class Foreseeing(Protocol):
    """A step that knows what its change means for those who use an application."""

    def foreseen(self) -> Iterable[Event]:
        """Return what a plan foresees, once all steps were checked. Raises ProvError."""


#: what a run holds while it lasts, given what shows progress; it yields what raises ProvError if that was lost
Guard = Callable[[Note], AbstractContextManager[Callable[[], None]]]


def unguarded(_: Note) -> AbstractContextManager[Callable[[], None]]:
    """Hold nothing."""
    return nullcontext(lambda: None)


def approve_all(steps: Sequence[StepDone]) -> None:
    """Approve of every plan."""


class PlatformRun:
    """A run: iterate over its events. tallies: counts of steps, by target.  role: what events name as such.

    steps: returns the steps of the target, given what shows progress; it is called on the run's thread.
    hidden: removes secrets from the text of errors.  guard: held from before the checks to the end.
    approve: called with what was found, before anything is changed; may raise ProvError.
    error: what has ended the run.
    """

    def __init__(
        self,
        name: str,
        role: str,
        steps: Callable[[Note], Sequence[PlatformStep]],
        hidden: Callable[[str], str],
        *,
        plan: bool,
        guard: Guard = unguarded,
        approve: Callable[[Sequence[StepDone]], None] = approve_all,
    ) -> None:
        self.role = role
        self.error: ProvError | None = None
        self.tallies = {name: Tally()}
        self._name = name
        self._steps = steps
        self._hidden = hidden
        self._plan = plan
        self._guard = guard
        self._approve = approve
        self._held = ExitStack()
        self._queue: EventQueue[Event] = EventQueue()

    def __iter__(self) -> Iterator[Event]:
        threading.Thread(target=self._run, daemon=True).start()
        try:
            while True:
                event = self._queue.get()
                self.tallies[self._name].count(event)
                yield event
                if isinstance(event, HostDone):
                    return
        finally:
            # Ctrl-C leaves at once, and holds nothing
            self._held.close()

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
        self.error = error
        unreachable = isinstance(error, UnreachableError)
        self._queue.put(HostDone(self._name, time.monotonic() - began, error, unreachable))

    def _note(self, text: str) -> None:
        self._queue.put(Notice(self._name, self._hidden(text)))

    def _converge(self) -> None:
        with self._held:
            check_lock = self._held.enter_context(self._guard(self._note))
            found = [self._checked(step) for step in self._steps(self._note)]
            self._approve([self._done(step, diff, ms) for step, diff, ms in found])
            for step, diff, ms in found:
                began = time.monotonic()
                if diff and not self._plan:
                    check_lock()
                    step.apply(self._note)
                    ms += (time.monotonic() - began) * 1000
                self._queue.put(self._done(step, diff, ms))
            for step, _, _ in found if self._plan else ():
                for event in step.foreseen() if isinstance(step, Foreseeing) else ():
                    self._queue.put(event)

    def _done(self, step: PlatformStep, diff: Diff, ms: float) -> StepDone:
        state = "changed" if diff else "ok"
        return StepDone(self._name, self.role, step.name, state, diff.why, tuple(diff.changes), ms)

    @staticmethod
    def _checked(step: PlatformStep) -> tuple[PlatformStep, Diff, float]:
        began = time.monotonic()
        return step, step.check(), (time.monotonic() - began) * 1000
