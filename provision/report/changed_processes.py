"""Workers and jobs of an application that a run changes, by the names that they have in the inventory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from provision.controller.events import StepDone
from provision.report.diffs import is_new
from provision.report.shown_lines import flat


def processes(app: str, steps: Sequence[StepDone]) -> Iterator[str]:
    """Yield `+ worker`, `~ worker` (it starts again) and `- worker`. steps: of the application, which have changed."""
    kind = rf"(?:app-{re.escape(app)}_([\w-]+)@[\w-]+(?:\.service)?|job-{re.escape(app)}@([\w-]+)\.(?:service|timer))"
    wanted, running = re.compile(rf"(?:unit file|unit|service) {kind}"), re.compile(rf"instance {kind}")
    signs: dict[str, str] = {}
    for step in steps:
        if found := wanted.fullmatch(flat(step.step)):
            sign = "+" if any(change.text and is_new(change) for change in step.diff) else "~"
            signs.setdefault(found[1] or found[2], sign)
    for step in steps:
        for change in step.diff:
            if found := running.fullmatch(flat(change.what)):
                signs.setdefault(found[1] or found[2], "-")
    yield from (f"{sign} {name}" for name, sign in signs.items())
