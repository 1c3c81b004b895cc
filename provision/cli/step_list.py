"""`--list-steps`: what roles would do, without a host."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provision.cli.columns import aligned
from provision.report.screen import say, say_json

if TYPE_CHECKING:
    from provision.roles.project import Assignment
    from provision.run.step_list import TaskSteps


def show_steps(assignments: Sequence[Assignment], *, as_json: bool) -> None:
    """Print every host's roles, tasks and steps, with the lines of the roles that take them."""
    from provision.run.step_list import ASSUMED, steps_of

    begun = time.monotonic()
    say(ASSUMED, err=True)
    for assignment in assignments:
        host = assignment.host.name
        if as_json:
            for task in steps_of(assignment):
                say_json(as_event(host, task))
            continue
        say(host)
        rows: list[tuple[str, str]] = []
        role = ""
        for task in steps_of(assignment):
            if task.role != role:
                rows.append((f"  {task.role or task.task}", ""))
            if task.role:
                rows.append((f"    {task.task}", ""))
            role = task.role
            rows += [(f"      {label}", where) for label, where in task.steps]
            if task.unknown:
                rows.append((f"      ... {task.unknown}", ""))
        for line in aligned(rows):
            say(line)
    if as_json:
        say_json({"event": "summary", "hosts": {}, "seconds": round(time.monotonic() - begun, 3)})


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
