"""prov show: a saved plan, as it was shown when it was made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.diff_lines import diff_limit
from provision.cli.options import format_option
from provision.errors import ProvError
from provision.report.formats import Format
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.controller.events import StepDone
    from provision.saved.plan_file import SavedPlan


@click.command(epilog="Example:  prov show web1.plan --no-diff")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--diff/--no-diff", default=None, help="Show whole differences, or none.")
@click.option("-v", "--verbose", is_flag=True, help="Show unchanged steps too, with the reason.")
@format_option
def show(file: Path, diff: bool | None, verbose: bool, out: Format) -> int:
    """Show a saved plan as it was shown when it was made. Connects to no host.

    Exit status: 0 shown; 2 the file is missing, damaged or not a plan.
    """
    from provision.controller.events import Summary, Tally
    from provision.declared.role_folders import BUILTIN, names
    from provision.report.reporting import Style
    from provision.saved import plan_file

    plan = plan_file.read(file)
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(plan.made))
    if not out.FOR_PROGRAMS:
        say(f"plan for {plan.asked.target}, made {made} by {plan.by}", err=True)
    about = {"target": plan.asked.target, "made": plan.made, "by": plan.by, "prov": plan.prov}
    out.show([{"event": "plan", **about}])
    style = Style(
        builtin=frozenset(names([BUILTIN])) - frozenset(names([Path("roles")])),
        plan=True,
        verbose=verbose,
        diff_lines=diff_limit(diff, plan=True, verbose=verbose),
        fleet=len(plan.hosts) > 1,
    )
    roles = {step.role for host in plan.hosts.values() for step in host.steps}
    report = out.report(style, list(plan.hosts), sorted(roles))
    summary = Summary({name: Tally() for name in plan.hosts}, plan.seconds)
    try:
        for event in events(plan):
            summary.hosts[event.host].count(event)
            report.take(event)
    finally:
        report.close()
    report.finish(summary)
    return 0


def events(plan: SavedPlan) -> Iterator[StepDone]:
    """The events of the plan, host by host."""
    from provision.controller.events import About, StepDone

    for name, host in plan.hosts.items():
        for step in host.steps:
            failed = step.state == "failed"
            yield StepDone(
                name,
                step.role,
                step.step,
                step.state,
                why=step.why,
                diff=step.diff,
                where=step.where,
                line=step.line,
                error=ProvError("failed when the plan was made") if failed else None,
                # a plan is saved only if its roles have run to their end
                ignored=step.ignored or ("the role continues after it" if failed else ""),
                about=About(step.app, step.part),
            )
