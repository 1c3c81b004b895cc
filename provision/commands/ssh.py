"""prov ssh: a shell on a host, with the system's ssh client."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from provision.cli.command_line import FOR_SHELLS, CommandLine
from provision.cli.complete import complete_target
from provision.cli.options import inventory_option
from provision.cli.prepare import select_one
from provision.cli.ssh_command import no_client, ssh_argv


@click.command(cls=CommandLine, words_before=1, epilog="Example:  prov ssh web1 -- journalctl -u nginx -n 20")
@click.argument("host", shell_complete=complete_target)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@inventory_option
def ssh(host: str, argv: Sequence[str], inventory: Sequence[str]) -> None:
    """Open a shell on a host, or run the command after HOST there, with ssh.

    You are logged in as the inventory's user, without sudo, over the connection that prov keeps, if there
    is one. A line in one word is for a shell there: prov ssh web1 'cd /srv; ls'. The exit status is ssh's.
    """
    if len(argv) == 1 and (" " in argv[0] or FOR_SHELLS.search(argv[0])):
        argv = ["sh", "-c", argv[0]]
    words = ssh_argv(select_one(inventory, host), argv)
    try:
        os.execvp(words[0], words)
    except FileNotFoundError:
        raise no_client() from None
