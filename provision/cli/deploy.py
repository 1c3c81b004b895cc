"""prov deploy: bring hosts to the state that the inventory declares."""

from __future__ import annotations

from collections.abc import Sequence

import click

from provision.cli.converge import Order, converge
from provision.cli.options import role_options, several_hosts


@click.command(epilog="Example:  prov deploy 'web*,!web3' --role nginx")
@role_options
@several_hosts
@click.option(
    "--check", is_flag=True, help="Change nothing, only show what would change: the same as prov plan."
)
def deploy(
    target: str,
    inventory: Sequence[str],
    limit: str | None,
    forks: int,
    as_json: bool,
    roles: Sequence[str],
    diff: bool | None,
    verbose: bool,
    check: bool,
) -> int:
    """Bring hosts to the state that the inventory declares; run again, and nothing changes.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out.

    Exit status: 0 done; 1 a step or host failed; 2 usage or configuration; 4 a host could not be reached;
    130 interrupted. With --check as of prov plan.
    """
    return converge(Order(target, inventory, limit, roles, forks, diff, verbose, as_json), plan=check)
