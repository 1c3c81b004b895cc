"""prov vars: the variables of a host, where each was written, and what it replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from provision.cli.complete import complete_target
from provision.cli.options import format_option, inventory_option
from provision.cli.prepare import select_one
from provision.errors import ConfigError, UsageError
from provision.names import suggestion
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.inventory import InventoryHost
    from provision.inventory.located import Located

COLUMNS = ("NAME", "VALUE")


@click.command("vars", epilog="Example:  prov vars web1 ansible_user --origin")
@click.argument("host", shell_complete=complete_target)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@inventory_option
@format_option
@click.option(
    "--origin", is_flag=True, help="With the line that has each value, and the values that it replaced."
)
def vars(host: str, names: Sequence[str], inventory: Sequence[str], out: Format, origin: bool) -> None:
    """Show the variables of a host, or only those of these names.

    Templates are worked out; one that fails is shown as it is written, with its error. Secrets are masked.
    With --json, lines and replaced values are always shown.
    """
    found = select_one(inventory, host, reach=False)
    unknown = [name for name in names if name not in found.located]
    if unknown:
        near = suggestion(unknown[0], found.located)
        raise UsageError(f"{found.name} has no variable {unknown[0]!r}.{near}")
    events = [described(found, name) for name in names or sorted(found.located)]
    columns = (*COLUMNS, "WHERE", "REPLACES") if origin else COLUMNS
    out.table(events, columns, [row(event, origin=origin) for event in events])
    out.end()


def described(host: InventoryHost, name: str) -> dict[str, Any]:
    """Return a variable as a line of --json."""
    # imported here: it brings pydantic and the project's roles, which declare what is secret
    from provision.inventory.value_origins import written_values

    *replaced, last = written_values(host, name)
    event: dict[str, Any] = {"event": "variable", "host": host.name, "name": name}
    try:
        event["value"] = shown(host, name, host.vars[name], last)
    except ConfigError as error:
        event |= {"value": shown(host, name, last.value, last), "error": str(error)}
    return event | {"origin": str(last.origin), "replaces": list(earlier(host, name, replaced))}


def earlier(host: InventoryHost, name: str, replaced: Sequence[Located]) -> Iterator[dict[str, Any]]:
    """Yield the values that the final one replaced, the strongest first."""
    for each in reversed(replaced):
        yield {"value": shown(host, name, each.value, each), "origin": str(each.origin)}


def shown(host: InventoryHost, name: str, value: Any, located: Located) -> Any:
    """Return a value as JSON can hold it, without secrets."""
    from provision.roles.shown_variables import shown_value

    return shown_value(host, name, value, sealed=located.sealed)


def row(event: Mapping[str, Any], *, origin: bool) -> tuple[str, ...]:
    """Return a variable as a line of the table."""
    value = text(event["value"])
    if "error" in event:
        value += f"  ({event['error']})"
    if not origin:
        return event["name"], value
    replaced = ", ".join(f"{text(each['value'])} of {each['origin']}" for each in event["replaces"])
    return event["name"], value, event["origin"], replaced


def text(value: Any) -> str:
    """Return a value on one line."""
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value, ensure_ascii=False)
