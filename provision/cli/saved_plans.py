"""Plans in files: saved by `prov plan -o`, shown by `prov show`, done by `prov deploy --plan`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from provision.cli.converge import ConvergeOptions, execute
from provision.cli.prepare import RolePart, Scope, all_on_platforms, assigned, meant
from provision.errors import Exit, ProvError, UnreachableError, UsageError
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.cli.sudo_password import AskOnce
    from provision.report.formats import Format
    from provision.roles.project import Assignment
    from provision.saved.holding import Recorder
    from provision.saved.plan_file import SavedPlan

#: days after which a plan's age is mentioned; an old plan is still deployed if nothing has changed
OLD = 7
DAY = 86400.0
#: exit statuses of a plan that covers every host completely
PLANNED = (Exit.DONE, Exit.CHANGES)


def plan_and_save(order: ConvergeOptions, place: Path) -> Exit:
    """Plan, show the plan, and save it if it is complete; return the plan's exit status."""
    from provision.controller.run_options import who
    from provision.saved import plan_file
    from provision.saved.holding import Recorder, code_of

    hosts = meant(order.scope, order.releases)
    if all_on_platforms(hosts):
        from provision.cli.platform_plans import save_platform_plan

        for option in order.only_for_hosts:
            raise UsageError(f"{option}: only plans of hosts have this", hint="Leave it out.")
        return save_platform_plan(order, hosts, place)
    plan_file.check_place(place)
    assignments = assigned(order.scope, order.part, refs=order.releases, hosts=hosts)
    code, recorder = code_of(assignments), Recorder(assignments)
    made = time.time()
    status = execute(order, assignments, plan=True, on_send=recorder)
    seconds = time.time() - made
    bare = recorder.unplanned() if status in PLANNED else []
    if status not in PLANNED or bare:
        why = f"no python3 yet on {', '.join(bare)}" if bare else "not every host could be planned to its end"
        say(f"prov: {place} was not saved: {why}", err=True)
        return Exit.FAILED if bare else status
    part = order.part
    asked = plan_file.Asked(
        target=order.scope.target,
        inventory=tuple(order.scope.inventory),
        limit=order.scope.limit,
        roles=tuple(part.roles),
        tags=tuple(part.tags),
        skip_tags=tuple(part.skip_tags),
        start_at=part.start_at,
        releases=dict(order.releases),
    )
    seal = plan_file.Seal.of(recorder.secrets)
    saved = plan_file.SavedPlan(
        made=made,
        seconds=seconds,
        by=who().partition(" ")[0],
        asked=asked,
        code=code,
        seal=seal,
        hosts=recorder.hosts(),
    )
    try:
        plan_file.write(place, saved)
    except ProvError as error:
        # the plan itself and its summary have been shown
        say(f"prov: {error}", err=True)
        return error.exit_code
    say(f"saved; deploy exactly this:  prov deploy --plan {place}", err=True)
    return status


def deploy_saved(path: Path, forks: int, diff: bool | None, *, verbose: bool, out: Format) -> Exit:
    """Deploy a saved plan if planning again gives the same; return the exit status.

    Raises ConfigErrors with every difference, and UnreachableError, before anything is changed.
    """
    from provision.cli.watch import asker
    from provision.saved import differences, plan_file
    from provision.saved.holding import PlannedOnly, Recorder, code_of, variables_of

    plan = plan_file.read(path)
    tell_age(plan)
    asked = plan.asked
    part = RolePart(asked.roles, asked.tags, asked.skip_tags, asked.start_at)
    scope = Scope(asked.target, asked.inventory, asked.limit, forks)
    order = ConvergeOptions(scope, part, out, diff, verbose, releases=asked.releases)
    check_known(plan)
    hosts = meant(scope, asked.releases)
    if all_on_platforms(hosts):
        from provision.cli.platform_plans import deploy_platform_plan

        return deploy_platform_plan(plan, hosts, out, diff)
    assignments = assigned(order.scope, order.part, refs=order.releases, hosts=hosts)
    variables = {a.host.name: variables_of(a.host) for a in assignments}
    differences.check_configuration(plan, variables, code_of(assignments))
    recorder = Recorder(assignments)
    ask = asker(order.out)
    if plan_again(order, assignments, recorder, ask) == Exit.INTERRUPTED:
        return Exit.INTERRUPTED
    differences.check_hosts(plan, recorder.hosts(), recorder.secrets)
    return execute(order, assignments, plan=False, on_send=PlannedOnly(plan), ask=ask)


def plan_again(
    order: ConvergeOptions, assignments: list[Assignment], recorder: Recorder, ask: AskOnce | None
) -> Exit:
    """Plan without showing it; returns the exit status. Raises ProvError if a host can't be planned to its
    end."""
    from provision.cli.watch import Prompt, run_shown
    from provision.controller.run_options import RunOptions
    from provision.report.answers import AnswerReport

    options = RunOptions(plan=True, forks=order.scope.forks, ask=ask, on_send=recorder)
    status = run_shown(assignments, options, Prompt(AnswerReport()), order.out)
    if status not in (*PLANNED, Exit.INTERRUPTED) or (status != Exit.INTERRUPTED and recorder.unplanned()):
        kind = UnreachableError if status == Exit.UNREACHABLE else ProvError
        raise kind("could not re-check the plan on every host; nothing was changed")
    return status


def check_known(plan: SavedPlan) -> None:
    """Raise ConfigErrors if the inventory no longer has the plan's hosts."""
    from provision.inventory import load
    from provision.saved.differences import refuse

    known = load(plan.asked.inventory or None).hosts
    refuse([f"{name}: the inventory no longer has this host" for name in plan.hosts if name not in known])


def tell_age(plan: SavedPlan) -> None:
    """Say that a plan is old; prov refuses it only if something has changed."""
    days = (time.time() - plan.made) / DAY
    if days > OLD:
        say(f"prov: the plan is {days:.0f} days old", err=True)
    elif days < 0:
        say("prov: by this machine's clock the plan was made in the future", err=True)
