"""prov hosts: what the inventory says, without connecting to anything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import click

from provision.cli.complete import complete_target
from provision.cli.options import format_option, inventory_option
from provision.errors import ConfigError, UsageError
from provision.inventory import Inventory, InventoryHost, check, load
from provision.inventory.as_ansible import listed
from provision.inventory.problems import Problems
from provision.inventory.target import members
from provision.report.formats import Format

COLUMNS = ("NAME", "ADDRESS", "GROUPS", "ROLES")


@click.command(epilog="Example:  prov hosts 'web*,!web3' --graph")
@click.argument("target", default="all", shell_complete=complete_target)
@inventory_option
@format_option
@click.option("--graph", is_flag=True, help="The groups as a tree, as ansible-inventory --graph shows them.")
@click.option(
    "--list",
    "as_list",
    is_flag=True,
    help="JSON as ansible-inventory --list prints it. It has passwords in plain text.",
)
def hosts(target: str, inventory: Sequence[str], out: Format, graph: bool, as_list: bool) -> None:
    """List the inventory's hosts with their addresses, groups and roles.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out. Default: all.
    With --json, each host's variables too, with secrets masked.
    """
    if graph + as_list + out.FOR_PROGRAMS > 1:
        raise UsageError("--graph, --list and --json cannot be combined")
    loaded = load(inventory or None)
    chosen = loaded.select(target) if loaded.hosts or not as_list else []
    if graph:
        out.show((), tree(loaded, {host.name for host in chosen}))
        return
    if as_list:
        whole = listed(loaded, {host.name: None for host in chosen})
        out.show((), json.dumps(whole, indent=4, sort_keys=True, ensure_ascii=False).splitlines())
        return
    problems = Problems()
    wrong = {host.name for host in chosen if not holds(host, problems)}
    events = (broken_event(host) if host.name in wrong else as_event(host) for host in chosen)
    out.table(events, COLUMNS, (broken_row(host) if host.name in wrong else row(host) for host in chosen))
    problems.raise_any()
    out.end()


def holds(host: InventoryHost, problems: Problems) -> bool:
    """Return whether the connection and the roles of a host have no error; add its errors."""
    try:
        check([host], reach=False)
    except ConfigError as error:
        problems.add(error)
        return False
    return True


def broken_event(host: InventoryHost) -> dict[str, object]:
    """A host whose connection or roles have errors, as a line of --json."""
    return {"event": "host", "name": host.name, "groups": list(host.groups), "broken": True}


def broken_row(host: InventoryHost) -> tuple[str, ...]:
    """The same as a line of the table."""
    return host.name, "(see the error)", " ".join(host.groups), ""


def as_event(host: InventoryHost) -> dict[str, object]:
    """A host as a line of --json."""
    # imported here: it brings pydantic and the project's roles, which declare what is secret
    from provision.roles.shown_variables import shown_vars

    return {
        "event": "host",
        "name": host.name,
        "address": host.connection.address,
        "connection": host.connection.plugin or host.connection.kind,
        "groups": list(host.groups),
        "roles": list(host.roles),
        "vars": shown_vars(host),
    }


def row(host: InventoryHost) -> tuple[str, ...]:
    """A host as a line of the table; the lab and AWS, not the inventory, know the addresses of their hosts."""
    connection = host.connection
    known = connection.kind == "ssh"
    address = connection.address if known else f"({connection.plugin or connection.kind})"
    if connection.port:
        address += f" port {connection.port}"
    return host.name, address, " ".join(host.groups), " ".join(host.roles)


def tree(inventory: Inventory, chosen: set[str], group: str = "all", depth: int = 0) -> Iterator[str]:
    """The groups of the chosen hosts, and those hosts. Empty groups show only if all hosts are chosen."""
    everything = len(chosen) == len(inventory.hosts)
    if not everything and not members(inventory, [group]) & chosen:
        return
    indent = "  |" * depth + "--" if depth else ""
    yield f"{indent}@{group}:"
    for child in inventory.groups[group].children:
        yield from tree(inventory, chosen, child, depth + 1)
    for name in inventory.groups[group].hosts:
        if name in chosen:
            yield "  |" * (depth + 1) + f"--{name}"
