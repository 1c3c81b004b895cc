"""Drift and saved plans of targets on platforms: what a run over one would change, shown or kept in a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from provision.cli.platform_targets import prepared
from provision.errors import ConfigErrors, Exit
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.cli.converge import ConvergeOptions
    from provision.controller.events import StepDone
    from provision.inventory import InventoryHost
    from provision.platforms.platform_run import PlatformRun
    from provision.report.formats import Format
    from provision.roles.project import Assignment
    from provision.saved.plan_file import PlannedHost, SavedPlan


def platform_drift(hosts: Sequence[InventoryHost], out: Format) -> Exit:
    """List what differs from the inventory; return the exit status. Raises ConfigErrors, UsageError."""
    from provision.cli.ec2_hosts import status_of
    from provision.controller.events import Summary
    from provision.report.drift_report import DriftShown
    from provision.report.reporting import Style

    run = planning(prepared(hosts))
    report = out.answers(lambda: DriftShown(Style(plan=True, fleet=False)))
    for event in run:
        report.take(event)
    report.close()
    report.finish(Summary(run.tallies, out.took()))
    return status_of(run, plan=True)


def save_platform_plan(order: ConvergeOptions, hosts: Sequence[InventoryHost], place: Path) -> Exit:
    """Plan, show the plan, and save it if it is complete; return its exit status. Raises ConfigErrors, UsageError."""
    from provision.cli.ec2_hosts import show_run
    from provision.controller.run_options import who
    from provision.saved import plan_file

    plan_file.check_place(place)
    assignment = prepared(hosts)
    found: list[StepDone] = []
    made = time.time()
    status = show_run(planning(assignment, found), order.out, plan=True, diff=order.diff)
    if status not in (Exit.DONE, Exit.CHANGES):
        say(f"prov: {place} was not saved: the target could not be planned to its end", err=True)
        return status
    name = assignment.host.name
    asked = plan_file.Asked(
        target=order.scope.target,
        inventory=tuple(order.scope.inventory),
        limit=order.scope.limit,
        releases=dict(order.releases),
    )
    saved = plan_file.SavedPlan(
        made=made,
        seconds=time.time() - made,
        by=who().partition(" ")[0],
        asked=asked,
        code={},
        seal=plan_file.Seal.of({name: assignment.secrets}),
        hosts={name: planned_target(assignment, found)},
    )
    plan_file.write(place, saved)
    say(f"saved; deploy exactly this:  prov deploy --plan {place}", err=True)
    return status


def deploy_platform_plan(
    plan: SavedPlan, hosts: Sequence[InventoryHost], out: Format, diff: bool | None
) -> Exit:
    """Deploy a saved plan; return the exit status. The plan is compared once the target's lock is held, and nothing is
    changed if it has changed. Raises ConfigErrors for what differs in the inventory."""
    from provision.cli.ec2_hosts import show_run
    from provision.cli.platform_guards import guarded_run
    from provision.controller import project_commit
    from provision.platforms.platform_model import DeployOrder, find
    from provision.saved import differences
    from provision.saved.holding import variables_of

    project_commit.prefetch()
    assignment = prepared(hosts)
    host = assignment.host
    differences.check_configuration(plan, {host.name: variables_of(host)}, {})

    def approve(found: Sequence[StepDone]) -> None:
        now = {host.name: planned_target(assignment, found)}
        differences.check_hosts(plan, now, {host.name: assignment.secrets})

    steps = find(host.platform).steps(assignment, DeployOrder())
    run = guarded_run(assignment, steps, plan=False, approve=approve)
    status = show_run(run, out, plan=False, diff=diff)
    return Exit.USAGE if isinstance(run.error, ConfigErrors) else status


def planning(assignment: Assignment, found: list[StepDone] | None = None) -> PlatformRun:
    """Return a plan over a target. Raises ConfigErrors, UsageError. found: gets what each step would change."""
    from provision.cli.platform_guards import guarded_run
    from provision.platforms.platform_model import DeployOrder, find

    steps = find(assignment.host.platform).steps(assignment, DeployOrder(plan=True))
    return guarded_run(assignment, steps, plan=True, approve=None if found is None else found.extend)


def planned_target(assignment: Assignment, found: Sequence[StepDone]) -> PlannedHost:
    """Return what a plan over a target has found, as files have it."""
    from provision.saved.holding import variables_of
    from provision.saved.plan_file import PlannedHost, PlannedStep

    steps = [
        PlannedStep.model_validate(
            {
                "role": each.role,
                "step": each.step,
                "state": each.state,
                "why": each.why,
                "diff": tuple(each.diff),
                # the difference says it whole: values of secrets are in the seal
                "wanted": "",
            }
        )
        for each in found
    ]
    return PlannedHost(variables=variables_of(assignment.host), steps=tuple(steps))
