"""The outcome of a step, as roles read it."""

from __future__ import annotations

from typing import Protocol

from provision.agent.protocol import Done
from provision.controller.events import HOST, About, StepDone
from provision.errors import StepError
from provision.steps.base import Change, Ref, Step


class Waits(Protocol):
    """The part of a session that an outcome uses."""

    def wait_for(self, outcome: Outcome) -> None:
        """Wait until a step has run. Raises StepFailed, UnreachableError."""
        ...


class StepFailed(StepError):
    """A step failed on the host. outcome: of that step, with state "failed"."""

    outcome: Outcome


class Outcome(Ref):
    """The outcome of a step. Reading any attribute waits until the step has run.

    Raises StepFailed (on reading) if the step failed and has no `ignore_errors`.
    """

    def __init__(
        self, session: Waits, id: int, step: Step, role: str, where: str, line: str, about: About = HOST
    ) -> None:
        super().__init__(id, step.label())
        self._session = session
        self.step = step
        self.role = role
        self.where = where
        self.line = line
        self.about = about
        self._answer: Done | None = None
        self.error: StepFailed | None = None

    def wait(self) -> Outcome:
        """Wait until the step has run. Raises StepFailed, UnreachableError."""
        self._session.wait_for(self)
        return self

    @property
    def done(self) -> bool:
        """Whether the step has run; never waits."""
        return self._answer is not None

    @property
    def changed(self) -> bool:
        """Whether the step changed the host (or would, in a plan)."""
        return self.state in ("changed", "maybe")

    @property
    def known_change(self) -> bool:
        """Whether the step is known to have changed something; never waits, never raises."""
        return self._answer is not None and self._answer.state == "changed"

    @property
    def was_skipped(self) -> bool:
        """Whether a failure has kept the step from running; never waits, never raises."""
        return self._answer is not None and self._answer.state == "skipped"

    @property
    def state(self) -> str:
        """ok, changed, failed, skipped or maybe."""
        return self._got().state

    @property
    def why(self) -> str:
        """Why there was nothing to do, or what the step found."""
        return self._got().why

    @property
    def failed(self) -> bool:
        """Whether the step failed and its failure is ignored (`ignore_errors`)."""
        return self.state == "failed"

    @property
    def stdout(self) -> str:
        """The output of the step; for commands also if they failed and the failure is ignored."""
        return self._got().stdout

    @property
    def stderr(self) -> str:
        """What a command wrote to its error stream."""
        return self._got().stderr

    @property
    def diff(self) -> list[Change]:
        """The differences that the step found."""
        return list(self._got().diff)

    @property
    def answer(self) -> Done:
        """The host's whole answer for a step that has run."""
        assert self._answer is not None
        return self._answer

    def _got(self) -> Done:
        self.wait()
        assert self._answer is not None
        return self._answer

    def settle(self, answer: Done) -> None:
        """Store the host's answer."""
        self._answer = answer
        if answer.error is not None:
            self.error = StepFailed(where=self.where, **vars(answer.error))
            self.error.outcome = self

    def as_event(self, host: str) -> StepDone:
        """Return the event of a step that has run. host: its name in the inventory."""
        done = self.answer
        return StepDone(
            host,
            self.role,
            self.label,
            done.state,
            why=done.why,
            diff=done.diff,
            ms=done.ms,
            where=self.where,
            line=self.line,
            error=self.error,
            ignored=done.ignored,
            about=self.about,
        )
