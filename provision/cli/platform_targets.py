"""prov plan and prov deploy of targets on platforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from provision.errors import Exit, UsageError

if TYPE_CHECKING:
    from provision.inventory import InventoryHost
    from provision.report.formats import Format


def converge_platform(
    hosts: Sequence[InventoryHost], out: Format, *, plan: bool, prune: bool, diff: bool | None
) -> Exit:
    """Deploy to a target on a platform, or plan it; returns the exit status. Raises ConfigErrors and UsageErrors
    before the platform is asked anything."""
    from provision.cli.ec2_hosts import show_run
    from provision.cli.of_applications import no_applications
    from provision.platforms.platform_model import find
    from provision.platforms.platform_run import PlatformRun
    from provision.roles.project import resolve

    if len(hosts) > 1:
        names = ", ".join(host.name for host in hosts[:5])
        raise UsageError(f"{names} are on platforms, where prov deploys to one at a time", hint="Name one.")
    (assignment,) = resolve(hosts, reach=False)
    (host,) = hosts
    if not assignment.served.apps:
        raise no_applications(hosts)
    if refs := host.inventory.refs:
        from provision.cli.other_releases import check_releases

        check_releases(refs, [assignment])
    platform = find(host.platform)
    platform.check(assignment)
    masks = assignment.masks()
    steps = platform.steps(assignment, prune=prune)
    run = PlatformRun(host.name, host.platform, steps, masks.hide, plan=plan)
    return show_run(run, out, plan=plan, diff=diff)
