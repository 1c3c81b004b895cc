"""An imaginary host: roles run against it, and no host is asked: to list steps, or for the program of a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import cast

from provision.agent.protocol import Done
from provision.agent.secret_masks import Masks
from provision.apps.application import Application
from provision.controller.calling import calling_line
from provision.controller.events import About
from provision.controller.fact_types import Facts
from provision.controller.outcome import Outcome
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.controller.step_payload import check, encoded
from provision.controller.transport import Target, Transport
from provision.controller.transport_choice import transport_to
from provision.errors import ProvError
from provision.inventory import InventoryHost
from provision.roles.project import Assignment
from provision.roles.role_host import Host
from provision.serving.instances import Program, program_for
from provision.steps.base import Step
from provision.values import dataclass

#: what a role reads as c.facts without a host
TYPICAL = Facts(
    distribution="debian",
    version="12",
    codename="bookworm",
    family="debian",
    architecture="x86_64",
    kernel="6.1.0",
    hostname="host",
    cpus=2,
    memory_mb=2048,
    addresses=("192.0.2.1",),
    python="3.11.2",
    python_path="/usr/bin/python3",
    init="systemd",
    user="root",
    login_user="root",
)


@dataclass
class TaskSteps:
    """The steps of one task: (label, file:line). unknown: why there may be more."""

    role: str
    task: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    unknown: str = ""


class NotConnected(ProvError):
    """A role has asked for something that only a real host can answer."""


class Recording:
    """Replaces a session: every step reports a change and prints nothing."""

    facts = TYPICAL
    role = ""
    about = About()

    def __init__(self, into: Callable[[], TaskSteps], masks: Masks) -> None:
        self._into = into
        self.masks = masks

    def submit(self, step: Step) -> Outcome:
        """Record a step. Raises ConfigError if its arguments are invalid."""
        where, line = calling_line()
        check(step, self.masks, where)
        outcome = Outcome(cast(Session, self), 0, step, self.role, where, line)
        outcome.settle(Done(0, "changed"))
        encoded(step, {}, self.masks)
        self._into().steps.append((self.masks.hide(outcome.label), where))
        return outcome

    def wait_for(self, outcome: Outcome) -> None:
        """Do nothing: the outcome is already settled."""


class StepCollector(Host):
    """A host that accepts steps and runs nothing."""

    def __init__(self, assignment: Assignment, recording: Recording, *, dry_build: bool = False) -> None:
        super().__init__(assignment, RunOptions(plan=True, dry_build=dry_build))
        self._recording = recording

    @staticmethod
    def _way_to(inventory: InventoryHost) -> Transport:
        return transport_to(Target(inventory.name))

    def answer_of(self, other: InventoryHost, step: Step) -> str:
        """Ask no one."""
        return ""

    def open(self) -> None:
        """Raises NotConnected."""
        raise NotConnected("c.run() and its like need the host")

    def started(self) -> Session:
        """The recording."""
        return cast(Session, self._recording)


def program_offline(assignment: Assignment, app: Application) -> Program:
    """How its server starts an application on a typical host, with two processors. Raises ProvError."""
    masks = assignment.masks()
    recording = Recording(lambda: TaskSteps("", ""), masks)
    return program_for(StepCollector(assignment, recording), app)
