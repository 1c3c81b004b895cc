"""prov exec: a command of an application, in its environment."""

from __future__ import annotations

from collections.abc import Sequence

import click

from provision.cli.command_line import CommandLine, check_words
from provision.cli.in_application import application_options, run_of
from provision.cli.prepare import Scope
from provision.report.formats import Format


@click.command(
    cls=CommandLine, words_before=2, epilog="Example:  prov exec web1 shop -- python import_prices.py"
)
@application_options
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, callback=check_words)
def exec(scope: Scope, out: Format, app: str, argv: Sequence[str], stdin: bool) -> int:
    """Run a command as the application APP runs: in the environment of the release in service, as its user, in
    its folder and its sandbox.

    The words after -- reach the command unchanged. The program is looked for in the release's environment, then
    on the host. At a terminal, and for one host, the command has a terminal too. The host keeps no record of it.

    Exit status: 0 the command succeeded on every host; 1 it failed on one; 2 usage or configuration; 4 a host
    could not be reached.
    """
    return run_of(scope, out, app, lambda found: argv, stdin=stdin)
