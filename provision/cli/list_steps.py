"""`--list-steps`: what roles would do, without a host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from provision.report.columns import aligned
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.report.formats import Format
    from provision.roles.project import Assignment
    from provision.serving.imaginary_host import TaskSteps


def show_steps(assignments: Sequence[Assignment], out: Format, *, dry_build: bool) -> None:
    """Print every host's roles, tasks and steps, with the lines of the roles that take them. dry_build: those of a run
    that only makes releases."""
    from provision.run.step_list import ASSUMED, steps_of

    say(ASSUMED, err=True)
    for assignment in assignments:
        host, tasks = assignment.host.name, steps_of(assignment, dry_build=dry_build)
        out.show((as_event(host, task) for task in tasks), page(host, tasks))
    out.end()


def page(host: str, tasks: Iterable[TaskSteps]) -> Iterator[str]:
    """A host's tasks for people."""
    yield host
    rows: list[tuple[str, str]] = []
    role = ""
    for task in tasks:
        if task.role != role:
            rows.append((f"  {task.role or task.task}", ""))
        if task.role:
            rows.append((f"    {task.task}", ""))
        role = task.role
        rows += [(f"      {label}", where) for label, where in task.steps]
        if task.unknown:
            rows.append((f"      ... {task.unknown}", ""))
    yield from aligned(rows)


def as_event(host: str, task: TaskSteps) -> dict[str, object]:
    """A task as a line of --json."""
    return {
        "event": "task",
        "host": host,
        "role": task.role,
        "task": task.task,
        "steps": [{"step": label, "where": where} for label, where in task.steps],
        "unknown": task.unknown,
    }
