"""prov releases: the releases of applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.of_applications import served_apps, target_and_app
from provision.cli.prepare import Scope, select_targets
from provision.cli.questions import ask
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.role_host import Host


@click.command(epilog="Example:  prov releases web1 shop")
@target_and_app
def releases(scope: Scope, out: Format, app: str) -> int:
    """List the releases of applications on each host: name, when and who deployed it, its commit, which one is in
    service, and which can be gone back to, or why not. Changes nothing.

    Without APP, all applications of the hosts. TARGET is a host, a group, a glob, or several with commas; !x
    leaves out.

    Exit status: 0 done; 1 a host failed; 2 usage or configuration; 4 a host could not be reached.
    """
    hosts, on_platforms = select_targets(scope)
    apps = served_apps(hosts, app)
    if on_platforms:
        from provision.cli.platform_past import platform_releases

        return platform_releases([(host, apps[host.name]) for host in hosts], out)
    from provision.report.releases_report import ReleasesShown, for_programs

    def work(host: Host) -> None:
        from provision.controller.events import Answered
        from provision.run.going_back import books

        if not apps[host.name]:
            return
        for name, book in books(host, apps[host.name]).items():
            host.emit(Answered(host.name, "releases", {"app": name, **for_programs(book)}))

    return ask(scope, out, work, lambda hosts: ReleasesShown(), plan=True, hosts=hosts)
