"""prov run: one command on hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.command_line import CommandLine, check_words
from provision.cli.options import several_hosts
from provision.cli.prepare import Scope
from provision.cli.questions import ask, pass_on_output
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.role_host import Host


@click.command(
    cls=CommandLine, words_before=1, epilog="Example:  prov run web1,web2 -- systemctl is-active nginx"
)
@several_hosts
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, callback=check_words)
@click.option("--lock", is_flag=True, help="Take each host's lock, so that no deploy runs at the same time.")
def run(
    scope: Scope,
    out: Format,
    argv: Sequence[str],
    lock: bool,
) -> int:
    """Run one command on hosts, as root if the login may become root, and print its output.

    The words after TARGET reach the command unchanged; no shell splits or expands them. Options of prov come before
    them. TARGET is a host, a group, a glob, or several with commas; !x leaves out.

    The command runs beside a deploy and does not delay one. The host keeps no record of it: `prov history`
    does not list it and `prov undo` does not undo it. If no deploy may run at the same time, give --lock:
    the command fails during a deploy, and deploys fail until the command has ended.

    Exit status: 0 the command succeeded on every host; 1 it failed on one; 2 usage or configuration; 4 a host
    could not be reached.
    """
    from provision.report.output import OutputShown

    def work(host: Host) -> None:
        from provision.steps.command import command

        pass_on_output(host, lambda: command(host, list(argv), reason="asked for with prov run"))

    opening = {"aside": "locked" if lock else "free"}
    return ask(scope, out, work, lambda hosts: OutputShown(named=len(hosts) > 1), plan=False, opening=opening)
