"""prov undo: put back what a run changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.options import several_hosts
from provision.cli.prepare import Scope, select, select_one
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.role_host import Host


@click.command(epilog="Example:  prov undo web1 12 --check")
@several_hosts
@click.argument("run", type=click.IntRange(min=1), required=False)
@click.option("--check", is_flag=True, help="Change nothing, only show what would be put back.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Name each file and unit of an application, and each command."
)
def undo(
    scope: Scope,
    out: Format,
    run: int | None,
    check: bool,
    verbose: bool,
) -> int:
    """Put back what a run changed: files, links, folders, users, and units with what they run.

    RUN is a number that `prov history` shows, of one host; without it, the last run on each host is undone. Runs
    of `prov resume` and `prov restart` are passed over.
    Packages and the effects of commands stay; prov names them. If anything was changed since the run, prov
    names it and puts back nothing.

    Exit status: 0 done; 1 it can't be undone; 2 usage or configuration; 3 with --check, there is something to
    put back; 4 a host could not be reached; 130 interrupted.
    """
    hosts = select(scope) if run is None else [select_one(scope.inventory, scope.target)]
    from provision.cli.watch import Prompt, run_shown
    from provision.controller.run_options import RunOptions
    from provision.report.reporting import Style
    from provision.roles.project import Assignment

    style = Style(check, verbose, fleet=len(hosts) > 1, answering=True)
    report = out.report(style, [host.name for host in hosts], [])

    def work(host: Host) -> None:
        from provision.steps.undo import LAST
        from provision.steps.undo import undo as put_back

        put_back(host, LAST if run is None else run)

    options = RunOptions(plan=check, forks=scope.forks)
    return run_shown([Assignment(host) for host in hosts], options, Prompt(report), out, work)
