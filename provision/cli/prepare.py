"""From a TARGET to hosts and their roles: everything that can be wrong before the first connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.inventory import InventoryHost, Problems
    from provision.roles import Assignment


def select(inventory: Sequence[str], target: str, limit: str | None = None) -> list[InventoryHost]:
    """The hosts of a target. Raises UsageError, and ConfigErrors if how to reach them makes no sense."""
    from provision.inventory import Problems, load

    hosts = load(inventory or None).select(target, limit)
    problems = Problems()
    check_connections(hosts, problems)
    problems.raise_any()
    return hosts


def select_one(inventory: Sequence[str], target: str) -> InventoryHost:
    """The one host of a target. Raises UsageError if it stands for several."""
    hosts = select(inventory, target)
    if len(hosts) > 1:
        names = ", ".join(host.name for host in hosts[:5])
        raise UsageError(f"{target!r} is {len(hosts)} hosts, and this takes one: {names}, ...")
    return hosts[0]


def assigned(
    inventory: Sequence[str], target: str, limit: str | None, roles: Sequence[str]
) -> list[Assignment]:
    """The hosts of a target with what each gets. Raises ConfigErrors with all that is wrong, and UsageError.

    roles: only these, if there are any.
    """
    from provision.inventory import Problems, load
    from provision.roles import assign

    hosts = load(inventory or None).select(target, limit)
    problems = Problems()
    check_connections(hosts, problems)
    chosen = with_roles(hosts, problems)
    found: list[Assignment] = []
    with problems.gathered():
        found = assign(chosen, only=roles)
    problems.raise_any()
    return [a for a in found if a.roles]


def check_connections(hosts: Sequence[InventoryHost], problems: Problems) -> None:
    """Note what is wrong in how to reach the hosts."""
    for host in hosts:
        with problems.gathered():
            host.connection  # noqa: B018 - computed, and so checked, on access


def with_roles(hosts: Sequence[InventoryHost], problems: Problems) -> list[InventoryHost]:
    """The hosts that have roles; names the others, and raises UsageError if there are only such."""
    chosen: list[InventoryHost] = []
    bare: list[InventoryHost] = []
    for host in hosts:
        with problems.gathered():
            (chosen if host.roles else bare).append(host)
    names = ", ".join(host.name for host in bare)
    if bare and not chosen:
        problems.raise_any()
        raise UsageError(
            f"nothing to do: no roles are listed for {names}",
            hint="List some in the inventory, for the host or a group of it:  roles: [base, python]",
        )
    if bare:
        click.echo(f"left out, as no roles are listed for them: {names}", err=True)
    return chosen
