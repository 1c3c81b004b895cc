"""A step on another host of the inventory than the one that a thread works on, in a session of its own."""

from __future__ import annotations

from provision.controller.outcome import Outcome
from provision.controller.run_options import ASIDE, Ask, RunOptions
from provision.controller.session import Session
from provision.controller.transport_choice import transport_to
from provision.inventory.loaded import InventoryHost
from provision.roles.reach import login_of, reach
from provision.steps.base import Step


def answer_of(other: InventoryHost, step: Step, ask: Ask | None) -> str:
    """Run a step that changes nothing on a host, and return its output. Raises ProvError, StepFailed.

    It runs as in a plan: the host's lock is not taken, so a run that works on the host does not wait for it.
    """
    return outcome_of(other, step, RunOptions(plan=True, who="", ask=ask)).stdout


def act_on(other: InventoryHost, step: Step, ask: Ask | None) -> Outcome:
    """Run a step on a host, beside a run that works on it, and with no record. Raises ProvError, StepFailed."""
    return outcome_of(other, step, RunOptions(opening=ASIDE, who="", ask=ask))


def outcome_of(other: InventoryHost, step: Step, options: RunOptions) -> Outcome:
    """Run a step on a host, and return its outcome. Raises ProvError, StepFailed."""
    ask = options.ask
    way = transport_to(reach(other))
    way.may_ask(ask)
    try:
        way.open()
        session = Session(other.name, way.channel, login_of(other, way.user, ask), options)
        outcome = session.submit(step)
        session.finish()
        session.raise_failure()
        return outcome
    finally:
        way.close()
