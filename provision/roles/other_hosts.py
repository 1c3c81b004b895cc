"""A question to another host of the inventory than the one that a thread works on, in a session of its own."""

from __future__ import annotations

from provision.controller.run_options import Ask, RunOptions
from provision.controller.session import Session
from provision.controller.transport_choice import transport_to
from provision.inventory.loaded import InventoryHost
from provision.roles.reach import login_of, reach
from provision.steps.base import Step


def answer_of(other: InventoryHost, step: Step, ask: Ask | None) -> str:
    """Run a step that changes nothing on a host, and return its output. Raises ProvError, StepFailed.

    It runs as in a plan: the host's lock is not taken, so a run that works on the host does not wait for it.
    """
    way = transport_to(reach(other))
    way.may_ask(ask)
    try:
        way.open()
        session = Session(
            other.name, way.channel, login_of(other, way.user, ask), RunOptions(plan=True, who="")
        )
        outcome = session.submit(step)
        session.finish()
        session.raise_failure()
        return outcome.stdout
    finally:
        way.close()
