"""prov maintenance: applications that their front answers for with 503."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

import click

from provision.cli.changes import change_shown
from provision.cli.of_applications import closable_apps
from provision.cli.options import on_several, target_argument
from provision.cli.prepare import Scope, select
from provision.errors import UsageError
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.role_host import Host


def addresses(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
    """Return addresses as fronts write them. Raises BadParameter."""
    words = [word.strip() for each in given for word in each.split(",")]
    try:
        return tuple(dict.fromkeys(str(ip_address(word)) for word in words))
    except ValueError as error:
        raise click.BadParameter(f"{error}; name single addresses, not networks", ctx, param) from None


@click.command(epilog="Example:  prov maintenance web1 on --app shop --allow 203.0.113.7")
@target_argument
@on_several
@click.argument("state", type=click.Choice(["on", "off"]))
@click.option("--app", default="", metavar="NAME", help="Only this application; by default all of each host.")
@click.option(
    "--allow",
    multiple=True,
    metavar="ADDRESS",
    callback=addresses,
    help="With `on`: an address whose requests are let through; may be repeated.",
)
def maintenance(scope: Scope, out: Format, state: str, app: str, allow: Sequence[str]) -> int:
    """Have the front answer for applications with 503, until `prov maintenance TARGET off`.

    Clients get the page 503.html of `error_pages`, if there is one, and Retry-After. Health paths, questions of ACME
    authorities and the addresses of --allow are let through. Deploys and reboots keep it. TARGET is a host, a group, a
    glob, or several with commas; !x leaves out. For applications that are balanced, name the balancers.

    Exit status: 0 done; 1 a step or host failed; 2 usage or configuration; 4 a host could not be reached.
    """
    if allow and state == "off":
        raise UsageError("--allow goes with `on`", hint="prov maintenance TARGET off")
    hosts = select(scope)
    apps = closable_apps(hosts, app)

    def work(host: Host) -> None:
        from provision.controller.run_options import who
        from provision.serving.sites import server_name
        from provision.steps.maintenance import maintenance as closed

        for each in apps[host.name]:
            if state == "off":
                closed(host, each.name, False)
            else:
                closed(
                    host,
                    each.name,
                    True,
                    allow,
                    who(),
                    name=server_name(each),
                    # not the health path, which stays open
                    path=f"{each.path}prov-maintenance",
                    tls=each.tls != "none",
                )

    return change_shown(scope, out, hosts, work)
