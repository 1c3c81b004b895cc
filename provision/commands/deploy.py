"""prov deploy: bring hosts to the state that the inventory declares."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from provision.cli.converge import ConvergeOptions, converge, list_only
from provision.cli.durations import seconds_of
from provision.cli.options import role_options, several_hosts_unless_saved
from provision.cli.other_releases import release_option
from provision.cli.prepare import RolePart, Scope, select, select_targets
from provision.errors import Exit, UsageError
from provision.report.formats import Format


def wave_sizes(ctx: click.Context, param: click.Parameter, given: str) -> tuple[str, ...]:
    """Return the sizes of waves. Raises BadParameter."""
    return tuple(one_size(ctx, param, each.strip()) for each in given.split(",")) if given else ()


def failures_allowed(ctx: click.Context, param: click.Parameter, given: str) -> str:
    """Return a number of hosts, or a share of them. Raises BadParameter."""
    return given if given == "0" else one_size(ctx, param, given)


def one_size(ctx: click.Context, param: click.Parameter, given: str) -> str:
    """Return a size of a wave. Raises BadParameter."""
    from provision.run.waves import check_size

    try:
        return check_size(given)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def watch_seconds(ctx: click.Context, param: click.Parameter, given: str) -> float:
    """Return how long new releases are watched. Raises BadParameter."""
    seconds = seconds_of(ctx, param, given)
    if seconds:
        # imported here: few deploys watch
        from provision.steps.staying_well import LONGEST

        if seconds > LONGEST:
            raise click.BadParameter("an hour is the longest", ctx, param)
    return seconds


@click.command(epilog="Example:  prov deploy 'web*,!web3' --role nginx")
@role_options
@release_option
@several_hosts_unless_saved
@click.option(
    "--plan",
    "saved",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Do what this saved plan says and nothing else; it knows the hosts and roles.",
)
@click.option("--check", is_flag=True, help="Change nothing, only show what would change, as prov plan does.")
@click.option(
    "--step", is_flag=True, help="Ask before each step: yes, no, or all the rest; one host at a time."
)
@click.option(
    "--undo-on-failure",
    is_flag=True,
    help="If a step fails, put back what this run changed on that host.",
)
@click.option(
    "--rollback-on-failure/--no-rollback-on-failure",
    "go_back",
    default=None,
    help="If a step fails after the front has turned to a new release, serve the release before again; on by"
    " default.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Deploy code although its database has migrations that the code does not know.",
)
@click.option(
    "--batch",
    default="",
    metavar="SIZES",
    callback=wave_sizes,
    help="Waves of hosts, such as 1,25%,100%: each begins once the one before has succeeded.",
)
@click.option(
    "--max-failures",
    default="0",
    metavar="SIZE",
    callback=failures_allowed,
    help="Hosts that may fail before the later waves are left out: a number, or a share such as 10%.",
)
@click.option(
    "--bake",
    default="",
    metavar="DURATION",
    callback=watch_seconds,
    help="Watch new releases that long, 30s or 5m, before a host counts as done and the next wave begins.",
)
@click.option(
    "--drain",
    is_flag=True,
    help="Have the balancers before a host leave it out while it is deployed; for waves.",
)
@click.option(
    "--dry-build",
    is_flag=True,
    help="Only make and check releases, and leave what is in service alone; a later deploy uses them.",
)
@click.option(
    "--continue",
    "go_on",
    is_flag=True,
    help="Continue a deploy in waves that has stopped: only hosts that do not have what it brings.",
)
@click.option(
    "--wait-for-lock",
    "wait",
    default="",
    metavar="DURATION",
    callback=seconds_of,
    help="Wait that long for other runs and locks to end, instead of failing at once: 10m.",
)
@click.option(
    "--create", is_flag=True, help="Make or start instances of EC2 first, as prov ec2 up does (docs/ec2.md)."
)
def deploy(
    scope: Scope,
    out: Format,
    part: RolePart,
    releases: Mapping[str, str],
    prune: bool,
    list_steps: bool,
    diff: bool | None,
    verbose: bool,
    check: bool,
    step: bool,
    undo_on_failure: bool,
    go_back: bool | None,
    force: bool,
    batch: Sequence[str],
    max_failures: str,
    bake: float,
    drain: bool,
    dry_build: bool,
    go_on: bool,
    wait: float,
    create: bool,
    saved: Path | None,
) -> int:
    """Bring hosts to the state that the inventory declares; a second run changes nothing.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out. --plan FILE takes
    the place of TARGET: prov plans again first, and refuses with the differences if the plan has changed.

    Exit status: 0 done; 1 a step or host failed; 2 usage or configuration; 4 a host could not be reached;
    130 interrupted. With --check, the exit status is that of prov plan.
    """
    if saved is not None:
        from provision.cli.saved_plans import deploy_saved

        others = (
            scope.target,
            scope.inventory,
            scope.limit,
            check,
            list_steps,
            step,
            prune,
            undo_on_failure,
            go_back is not None,
            force,
            batch,
            bake,
            drain,
            dry_build,
            go_on,
            wait,
            create,
            releases,
        )
        if any(others) or part != RolePart():
            raise UsageError(
                "--plan takes hosts, roles and inventory from the file, and does all of it",
                hint=f"Write:  prov deploy --plan {saved}",
            )
        return deploy_saved(saved, scope.forks, diff, verbose=verbose, out=out)
    if not scope.target:
        raise UsageError("name the hosts to deploy to: a TARGET, or --plan FILE", hint="prov deploy --help")
    order = ConvergeOptions(
        scope,
        part,
        out,
        diff,
        verbose,
        step,
        prune,
        undo_on_failure,
        force=force,
        batch=batch,
        max_failures=max_failures,
        bake=bake,
        # what an undo puts back includes the release
        go_back=not undo_on_failure if go_back is None else go_back,
        releases=releases,
        dry_build=dry_build,
        go_on=go_on,
        drain=drain,
    )
    if dry_build and (part != RolePart() or prune or bake or drain):
        raise UsageError(
            "--dry-build makes releases and nothing else",
            hint="Leave out --role, --tags, --skip-tags, --start-at, --prune, --bake and --drain.",
        )
    if go_on and (dry_build or list_steps or create):
        raise UsageError(
            "--continue is for a deploy that has stopped",
            hint="Leave out --dry-build, --list-steps and --create.",
        )
    if list_steps:
        return list_only(order)
    if create:
        if check:
            raise UsageError(
                "--create makes instances, and --check changes nothing", hint="prov ec2 plan TARGET"
            )
        status = create_instances(order)
        if status != Exit.DONE:
            return status
    if wait and not check:
        hosts, on_platforms = select_targets(scope)
        if on_platforms:
            from provision.cli.platform_past import await_platform_locks

            await_platform_locks(hosts, wait)
        else:
            from provision.cli.lock_waiting import await_locks

            await_locks(hosts, scope.forks, wait)
    return converge(order, plan=check)


def create_instances(order: ConvergeOptions) -> Exit:
    """Make or start the instances of a scope, once all that needs no instance has been found good."""
    from provision.cli.ec2_hosts import create
    from provision.cloud.cloud_errors import NoInstance
    from provision.roles.project import resolve

    hosts = select(order.scope)
    # what hosts ask of one another's addresses has to wait until they have some
    with contextlib.suppress(NoInstance):
        resolve([host for host in hosts if host.roles], only=order.part.roles)
    return create(hosts, order.out)
