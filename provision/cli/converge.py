"""What deploy and plan share: from the command line to the hosts that get something, and through the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.cli.prepare import assigned

if TYPE_CHECKING:
    from provision.roles import Assignment

#: lines of one difference that a deploy shows, unless --diff asks for all
SHORT_DIFF = 12


@dataclass(frozen=True)
class Order:
    """What the command line asks for; see the options' help."""

    target: str
    inventory: Sequence[str]
    limit: str | None
    roles: Sequence[str]
    forks: int
    diff: bool | None
    verbose: bool
    as_json: bool


def converge(order: Order, *, plan: bool) -> int:
    """Deploy or plan; returns the exit status. Raises ConfigErrors and UsageErrors before any connection."""
    assignments = assigned(order.inventory, order.target, order.limit, order.roles)
    return execute(order, assignments, plan=plan)


def execute(order: Order, assignments: Sequence[Assignment], *, plan: bool) -> int:
    """Run what the configuration says, and show it."""
    # only now, as it brings the SSH library: help and configuration errors do without
    from provision.cli.watch import Prompt, can_ask, report_for, watch
    from provision.report.base import Style
    from provision.run import Run

    style = Style(plan, order.verbose, diff_limit(order.diff, plan=plan))
    report = report_for(style, assignments, as_json=order.as_json)
    prompt = Prompt(report)
    run = Run(
        assignments,
        plan=plan,
        forks=order.forks,
        interactive=can_ask(order.as_json),
        asking=prompt,
    )
    return watch(run, report, prompt)


def diff_limit(diff: bool | None, *, plan: bool) -> int | None:
    """Lines of one difference to show: --diff all, --no-diff none; by default a plan all, a deploy a few."""
    if diff is None:
        return None if plan else SHORT_DIFF
    return None if diff else 0
