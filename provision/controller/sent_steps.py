"""The steps that a host was sent: what it has answered for, and which failures its roles have taken note of."""

from __future__ import annotations

from provision.agent.protocol import Done, Submission
from provision.controller.outcome import Outcome, StepFailed
from provision.system.frames import ProtocolError


class SentSteps:
    """Steps by their numbers, in the order in which they were sent.

    noted: how many failures have been taken note of; the host skips steps that know of fewer.
    """

    def __init__(self) -> None:
        self.noted = 0
        self._all: dict[int, Outcome] = {}
        #: those without an answer, with what was sent: after a reboot of the host it is sent again
        self._unanswered: dict[int, tuple[Outcome, Submission]] = {}
        self._failures: list[StepFailed] = []

    @property
    def next_number(self) -> int:
        """The number of the step that is sent next."""
        return len(self._all) + 1

    @property
    def unanswered(self) -> list[tuple[Outcome, Submission]]:
        """The steps that the host has not answered for, with what it was sent."""
        return list(self._unanswered.values())

    @property
    def waiting(self) -> bool:
        """Whether the host has not answered for all of them."""
        return bool(self._unanswered)

    @property
    def failing(self) -> bool:
        """Whether a step has failed and no role has taken note of that."""
        return bool(self._failures)

    def add(self, outcome: Outcome, message: Submission) -> None:
        """Keep a step that is being sent."""
        self._all[outcome.id] = outcome
        self._unanswered[outcome.id] = outcome, message

    def named(self, number: int) -> Outcome:
        """Return a step that the host has named. Raises ProtocolError."""
        if number not in self._all:
            raise unknown(number)
        return self._all[number]

    def answered(self, number: int) -> Outcome:
        """Return a step that the host answers for, which it does once. Raises ProtocolError."""
        if number not in self._unanswered:
            raise unknown(number)
        return self._all[number]

    def settle(self, done: Done) -> Outcome:
        """Take the host's answer for a step, and return its outcome."""
        outcome, _ = self._unanswered.pop(done.id)
        outcome.settle(done)
        if outcome.error is not None and not outcome.step.ignore_errors:
            self._failures.append(outcome.error)
        return outcome

    def acknowledge(self) -> StepFailed | None:
        """Take note of all failures, and return the first of them."""
        first = self._failures[0] if self._failures else None
        self.noted += len(self._failures)
        self._failures = []
        return first


def unknown(number: int) -> ProtocolError:
    """Return the error for a step that the host can't know of, or has answered for."""
    return ProtocolError(f"word of step {number}, which it was not sent or has answered for")
