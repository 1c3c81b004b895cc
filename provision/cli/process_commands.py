"""What `prov restart`, `prov stop` and `prov start` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.changes import change_shown
from provision.cli.of_applications import served_apps, target_and_app
from provision.cli.options import F
from provision.cli.prepare import Scope, select
from provision.errors import Exit
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.role_host import Host


def process_options(command: F) -> F:
    """TARGET, APP and --process."""
    process = click.option(
        "--process",
        default="",
        metavar="NAME",
        help="Only this process or job of the inventory; `web` is the web process.",
    )
    return target_and_app(process(command))


def control(verb: str, scope: Scope, out: Format, app: str, process: str) -> Exit:
    """Restart, stop or start processes; return the exit status. app: "" for all of each host."""
    hosts = select(scope)
    apps = served_apps(hosts, app)

    def work(host: Host) -> None:
        from provision.steps.process_control import processes_controlled

        for each in apps[host.name]:
            processes_controlled(host, each.name, verb, process, within=each.start_timeout)

    return change_shown(scope, out, hosts, work)
