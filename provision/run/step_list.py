"""Run roles against an imaginary host, to list the steps that they would take (`--list-steps`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

from provision.agent.secret_masks import Masks
from provision.controller.calling import raising_line
from provision.errors import LabError, ProvError, StepError
from provision.names import suggestion
from provision.roles.project import Assignment
from provision.serving.imaginary_host import NotConnected, Recording, StepCollector, TaskSteps

ASSUMED = "as on a Debian 12 host on which every step changes something; no host was asked"


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
