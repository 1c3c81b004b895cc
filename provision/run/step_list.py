"""Run roles against an imaginary host, to list the steps that they would take (`--list-steps`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from functools import partial
from types import ModuleType
from typing import cast

from provision.agent.protocol import Done
from provision.agent.secret_masks import Masks
from provision.apps.application import Application
from provision.controller.calling import calling_line, raising_line
from provision.controller.events import About
from provision.controller.fact_types import Facts
from provision.controller.outcome import Outcome
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.controller.step_payload import check, encoded
from provision.controller.transport import Target, Transport
from provision.controller.transport_choice import transport_to
from provision.errors import LabError, ProvError, StepError
from provision.inventory import InventoryHost
from provision.names import suggestion
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
ASSUMED = "as on a Debian 12 host on which every step changes something; no host was asked"


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


def steps_of(
    assignment: Assignment,
    on_fault: Callable[[ProvError], None] | None = None,
    *,
    dry_build: bool = False,
) -> Iterator[TaskSteps]:
    """The steps that the roles of a host would take, task by task. Raises ProvError for what is wrong here: a source
    that can't be fetched, arguments that make no sense.

    on_fault: takes such errors instead; a task ends with one, and the next one begins.
    dry_build: those of a run that only makes releases.
    """
    current = TaskSteps("", "")
    masks = assignment.masks()
    recording = Recording(lambda: current, masks)
    host = StepCollector(assignment, recording, dry_build=dry_build)
    for role, params in assignment.roles:
        recording.role = role.name
        for function in role.tasks:
            current = TaskSteps(role.name, function.__name__)
            attempt(current, partial(role.call, function, host, params), masks, on_fault)
            yield current
    current = TaskSteps("", "after all roles")
    attempt(current, host.run_later, masks, on_fault)
    if current.steps:
        yield current


def program_offline(assignment: Assignment, app: Application) -> Program:
    """How its server starts an application on a typical host, with two processors. Raises ProvError."""
    masks = assignment.masks()
    recording = Recording(lambda: TaskSteps("", ""), masks)
    return program_for(StepCollector(assignment, recording), app)


def attempt(
    into: TaskSteps, act: Callable[[], None], masks: Masks, on_fault: Callable[[ProvError], None] | None
) -> None:
    """Call a task; if it needs an answer of the host's, that is noted. See steps_of for the rest."""
    try:
        act()
    except Exception as error:
        if isinstance(error, ProvError) and not isinstance(error, (NotConnected, StepError, LabError)):
            error.hide(masks.hide)
            error.where = error.where or raising_line(error)
            if on_fault is None:
                raise
            on_fault(error)
        elif on_fault is not None and names_nothing(error):
            on_fault(ProvError(masks.hide(misspelt(error)), where=raising_line(error)))
        else:
            into.unknown = masks.hide(reason(error))


def names_nothing(error: Exception) -> bool:
    """Return whether a name is wrong whatever the host answers: one of a module, or one that is defined nowhere."""
    of_module = isinstance(error, AttributeError) and isinstance(error.obj, ModuleType)
    return of_module or type(error) is NameError


def misspelt(error: Exception) -> str:
    """Return what Python says of a name, with the nearest one of the module."""
    names = dir(error.obj) if isinstance(error, AttributeError) else ()
    return f"{error}.{suggestion(getattr(error, 'name', ''), names)}"


def reason(error: Exception) -> str:
    """Return why the list ends: in most cases, an answer from the host is missing."""
    said = str(error) if isinstance(error, ProvError) else f"{type(error).__name__}: {error}"
    return f"the rest depends on the host ({said})"
