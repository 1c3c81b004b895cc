"""prov deploy: bring hosts to the state that the inventory declares."""

from __future__ import annotations

from collections.abc import Sequence

import click

from provision.cli.converge import Order, converge, list_only
from provision.cli.options import role_options, several_hosts
from provision.cli.prepare import Part


@click.command(epilog="Example:  prov deploy 'web*,!web3' --role nginx")
@role_options
@several_hosts
@click.option(
    "--check", is_flag=True, help="Change nothing, only show what would change: the same as prov plan."
)
@click.option(
    "--step", is_flag=True, help="Ask before each step: yes, no, or all the rest; one host at a time."
)
def deploy(
    target: str,
    inventory: Sequence[str],
    limit: str | None,
    forks: int,
    as_json: bool,
    roles: Sequence[str],
    tags: Sequence[str],
    skip_tags: Sequence[str],
    start_at: str,
    list_steps: bool,
    diff: bool | None,
    verbose: bool,
    check: bool,
    step: bool,
) -> int:
    """Bring hosts to the state that the inventory declares; run again, and nothing changes.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out.

    Exit status: 0 done; 1 a step or host failed; 2 usage or configuration; 4 a host could not be reached;
    130 interrupted. With --check as of prov plan.
    """
    part = Part(roles, tags, skip_tags, start_at)
    order = Order(target, inventory, limit, part, forks, diff, verbose, as_json, step)
    if list_steps:
        return list_only(order)
    return converge(order, plan=check)
