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
from provision.errors import LabError, ProvError

if TYPE_CHECKING:
    from provision.inventory import ConnectionSettings, InventoryHost


@click.command(epilog="Example:  prov ssh web1 -- journalctl -u nginx -n 20")
@click.argument("host", shell_complete=complete_target)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@inventory_option
def ssh(host: str, argv: Sequence[str], inventory: Sequence[str]) -> None:
    """Open a shell on a host, or run the command after -- there, with ssh.

    The login is the inventory's own (not root's, where prov would use sudo). The exit status is ssh's.
    """
    words = ssh_argv(select_one(inventory, host), argv)
    try:
        os.execvp(words[0], words)
    except FileNotFoundError:
        raise ProvError("there is no ssh on this machine", hint="apt install openssh-client") from None


def ssh_argv(host: InventoryHost, argv: Sequence[str]) -> list[str]:
    """The ssh command line for a host, its command's words quoted for the login shell there."""
    settings = host.connection
    if settings.kind == "lab":
        return lab_argv(host.name, argv)
    words = ["ssh", *options(settings), "--", settings.address]
    return [*words, shlex.join(argv)] if argv else words


def options(settings: ConnectionSettings) -> list[str]:
    """What the inventory says; the rest is up to ~/.ssh/config, as it is for prov itself."""
    found: list[str] = []
    if settings.user is not None:
        found += ["-l", settings.user]
    if settings.port is not None:
        found += ["-p", str(settings.port)]
    if settings.private_key_file is not None:
        found += ["-i", str(settings.private_key_file)]
    return found


def lab_argv(name: str, argv: Sequence[str]) -> list[str]:
    """The lab's own command line, with its key and its known hosts."""
    from provision import lab
    from provision.lab import ssh as lab_ssh

    found = lab.find(name)
    if found is None or found.state != "running":
        raise LabError(f"the lab host {name} is not up", hint=f"Boot it: prov lab up {name}")
    return lab_ssh.argv(found, argv)
