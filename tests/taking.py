"""What tests with agents of their own share: a session that takes steps, one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provision.controller.outcome import Outcome, StepFailed
from provision.controller.session import Session
from provision.steps.base import Step


def outcomes_of(session: Session, steps: Sequence[Step], kill: Callable[[], None]) -> list[Outcome]:
    """Return the outcomes of all steps, also of those after one that failed, and end the session.

    kill: ends the agent at once; called if the session breaks.
    """
    try:
        outcomes = []
        for step in steps:
            outcome = session.submit(step)
            try:
                outcome.wait()
            except StepFailed:
                assert outcome.state == "failed"
            outcomes.append(outcome)
        session.finish()
    except BaseException:
        kill()
        session.abandon()
        raise
    return outcomes
