"""prov ssh: a shell on a host, by the ssh client that everyone has."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.complete import complete_target
from provision.cli.options import inventory_option
from provision.cli.prepare import select_one
from provision.errors import ProvError

if TYPE_CHECKING:
    from provision.inventory import InventoryHost


@click.command(epilog="Example:  prov ssh web1 -- journalctl -u nginx -n 20")
@click.argument("host", shell_complete=complete_target)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@inventory_option
def ssh(host: str, argv: Sequence[str], inventory: Sequence[str]) -> None:
    """Open a shell on a host, or run the command after -- there, with ssh.

    The login is the inventory's own (not root's, where prov would use sudo), over the connection that prov keeps,
    if there is one. The exit status is ssh's.
    """
    words = ssh_argv(select_one(inventory, host), argv)
    try:
        os.execvp(words[0], words)
    except FileNotFoundError:
        raise ProvError("there is no ssh on this machine", hint="apt install openssh-client") from None


def ssh_argv(host: InventoryHost, argv: Sequence[str]) -> list[str]:
    """Return the ssh command line for a host, its command's words quoted for the login shell there.

    It uses the connection that prov keeps, or keeps one for prov.
    """
    from provision.controller.openssh.arguments import target_words
    from provision.controller.openssh.client import find_client
    from provision.controller.openssh.openssh_transport import OpenSshTransport
    from provision.roles.reach import reach

    target = reach(host)
    client = find_client(target.executable)
    if client is None:
        # too old for prov, and good enough for a person
        words = [target.executable, *target_words(target), "--", target.address]
    else:
        words = OpenSshTransport(client, target).argv([])
    return [*words, shlex.join(argv)] if argv else words
