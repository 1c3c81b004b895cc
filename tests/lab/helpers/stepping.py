"""Steps on lab hosts: planned, done, and done again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from provision.controller.outcome import Outcome
from provision.steps.base import Step

sys.path.append(str(Path(__file__).parents[2] / "steps_more"))
from steps_bench import Bench


class Gathered:
    """Stands for a host: keeps the steps that a function of several steps submits."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def submit(self, step: Step) -> Any:
        self.steps.append(step)
        return Outcome(None, len(self.steps), step, "", "", "")  # type: ignore[arg-type]


def gathered(function: Callable[..., Any], *args: Any, **options: Any) -> list[Step]:
    """The steps that it submits; refs among them are numbered as one agent will number them."""
    c = Gathered()
    function(c, *args, **options)
    for step in c.steps:
        step.validate()
    return c.steps


def exact(bench: Bench, steps: Sequence[Step]) -> list[Outcome]:
    """Plan, and deploy: the plan says what the steps do, and that they do nothing when they come again."""
    planned = bench.run(*steps, *steps, plan=True)
    real: list[Outcome] = bench.run(*steps, *steps)
    assert [o.error for o in real] == [None] * len(real)
    assert [(o.state, o.diff) for o in planned] == [(o.state, o.diff) for o in real]
    again = real[len(steps) :]
    assert [o.state for o in again] == ["ok"] * len(steps), [(o.label, o.diff) for o in again]
    assert all(o.why for o in again)
    return real[: len(steps)]
