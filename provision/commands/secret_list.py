"""prov secrets: which secrets the inventory has, and what uses them; never their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from provision.cli.complete import complete_target
from provision.cli.options import format_option, inventory_option, limit_option
from provision.errors import Exit
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.secret_uses import InventorySecret

COLUMNS = ("NAME", "KEPT IN", "WHERE", "HOSTS", "USED BY")


@click.command(epilog="Example:  prov secrets web --unused")
@click.argument("target", default="all", shell_complete=complete_target)
@inventory_option
@limit_option
@click.option("--unused", is_flag=True, help="Only those that nothing uses.")
@format_option
def secrets(target: str, inventory: Sequence[str], limit: str | None, unused: bool, out: Format) -> int:
    """List the secrets of the inventory: where each is kept and written, and what uses it. Values are never shown.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out. Default: all. Nothing is fetched; files
    that are encrypted as a whole are opened for the names in them.

    Exit status: 0 listed; 2 a file can't be read or opened.
    """
    from provision.cli.prepare import Scope, meant
    from provision.inventory import Problems
    from provision.roles.secret_uses import inventory_secrets

    problems = Problems()
    found = [
        each
        for each in inventory_secrets(meant(Scope(target, inventory, limit)), problems)
        if not (unused and each.users)
    ]
    out.table(({"event": "secret", **asdict(each)} for each in found), COLUMNS, map(row, found))
    problems.raise_any()
    out.end()
    return Exit.DONE


def row(secret: InventorySecret) -> tuple[str, ...]:
    """A secret as a line of the table."""
    users = ", ".join(secret.users) or "nothing"
    return secret.name, secret.storage, secret.where, " ".join(secret.hosts), users
