"""prov resume: deploys after a rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.changes import change_shown
from provision.cli.of_applications import served_apps, target_and_app
from provision.cli.prepare import Scope, select_targets
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.role_host import Host


@click.command(epilog="Example:  prov resume web1 shop")
@target_and_app
def resume(scope: Scope, out: Format, app: str) -> int:
    """Let deploys of an application through that a rollback holds. Without APP, of all applications of the hosts.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out.

    Exit status: 0 done; 1 a host failed; 2 usage or configuration; 4 a host could not be reached.
    """
    hosts, on_platforms = select_targets(scope)
    apps = served_apps(hosts, app)
    if on_platforms:
        from provision.cli.platform_past import platform_resume

        return platform_resume([(host, apps[host.name]) for host in hosts], out)

    def work(host: Host) -> None:
        from provision.steps.holds import resumed

        for each in apps[host.name]:
            resumed(host, f"/srv/{each.name}")

    return change_shown(scope, out, hosts, work)
