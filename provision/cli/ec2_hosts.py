"""What `prov ec2` and `prov deploy --create` share: hosts with a block `ec2`, and runs over their instances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from provision.errors import Exit, UsageError

if TYPE_CHECKING:
    from provision.cloud.cloud_host import CloudHost
    from provision.cloud.cloud_run import CloudRun, StepsOf
    from provision.cloud.instance_spec import InstanceSpec
    from provision.inventory import InventoryHost
    from provision.platforms.platform_run import PlatformRun
    from provision.report.formats import Format

NO_BLOCK = "Say in the inventory what instance it is to be: see docs/ec2.md."


def instances_of(hosts: Sequence[InventoryHost]) -> dict[str, tuple[InventoryHost, InstanceSpec]]:
    """Return the hosts that are instances, with what each is to be, by name.

    Raises ConfigErrors with every error in their blocks; UsageError if no host is an instance.
    """
    from provision.inventory import Problems
    from provision.inventory.ec2_block import instance_spec

    problems = Problems()
    found = {}
    for host in hosts:
        if host.connection.kind == "ec2":
            with problems.gathered():
                found[host.name] = host, instance_spec(host)
    problems.raise_any()
    if not found:
        names = ", ".join(host.name for host in hosts[:5])
        raise UsageError(f"no instances of EC2 are among these hosts: {names}", hint=NO_BLOCK)
    return found


def cloud_run(
    instances: dict[str, tuple[InventoryHost, InstanceSpec]],
    steps: StepsOf,
    *,
    plan: bool,
    may_stop: bool = False,
) -> CloudRun:
    """Return a run over instances. Raises CloudError for a profile or region that can't be used."""
    from provision.cloud.aws_calls import AwsCalls
    from provision.cloud.cloud_host import CloudHost
    from provision.cloud.cloud_run import CloudRun
    from provision.inventory.ec2_block import own_user_data
    from provision.roles.reach import login_target

    places = {(spec.region, spec.profile) for _, spec in instances.values()}
    calls = {place: AwsCalls(*place) for place in sorted(places, key=str)}

    def make(name: str, note: Callable[[str], None]) -> CloudHost:
        host, spec = instances[name]
        aws = calls[spec.region, spec.profile]
        return CloudHost(name, spec, aws, login_target(host), note, own_user_data(host, spec), may_stop)

    return CloudRun(list(instances), make, steps, plan=plan)


def show_run(
    run: CloudRun | PlatformRun, out: Format, *, plan: bool, diff: bool | None = None, end: bool = True
) -> Exit:
    """Show the events of a run, and return its exit status. end: whether it is all that the command does; a run that
    failed always is."""
    from provision.cli.diff_lines import diff_limit
    from provision.controller.events import Summary
    from provision.report.reporting import Style

    style = Style(plan, diff_lines=diff_limit(diff, plan=True, verbose=True), fleet=False)
    report = out.report(style, list(run.tallies), [run.role])
    try:
        for event in run:
            report.take(event)
    finally:
        report.close()
    status = status_of(run, plan=plan)
    if end or status not in (Exit.DONE, Exit.CHANGES):
        report.finish(Summary(run.tallies, out.took()))
    return status


def status_of(run: CloudRun | PlatformRun, *, plan: bool) -> Exit:
    """Return the worst status of all hosts."""
    tallies = run.tallies.values()
    if any(tally.failed for tally in tallies):
        return Exit.FAILED
    if any(tally.unreachable for tally in tallies):
        return Exit.UNREACHABLE
    return Exit.CHANGES if plan and any(tally.changed for tally in tallies) else Exit.DONE


def create(hosts: Sequence[InventoryHost], out: Format) -> Exit:
    """Make or start the instances among hosts, as `prov ec2 up` does, before they are deployed to."""
    from provision.cloud.cloud_run import steps_up

    return show_run(cloud_run(instances_of(hosts), steps_up, plan=False), out, plan=False, end=False)
