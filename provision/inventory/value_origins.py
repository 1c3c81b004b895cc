"""Where the variables of a host come from, and which values each of them has replaced."""

from __future__ import annotations

from collections.abc import Iterator

from provision.inventory.loaded import InventoryHost
from provision.inventory.located import Located
from provision.inventory.sealed_variables import SealedVariables


def written_values(host: InventoryHost, name: str) -> list[Located]:
    """Return all values that a host has for a variable, as they are written; the last one is the strongest.

    Raises ConfigError if an encrypted file can't be opened.
    """
    return list(_each(host, name))


def _each(host: InventoryHost, name: str) -> Iterator[Located]:
    before: Located | None = None
    for layer in host.layers():
        variables = layer.open() if isinstance(layer, SealedVariables) else layer
        value = variables.get(name)
        # the project's folder may also be that of the inventory
        if value is not None and value is not before:
            before = value
            yield value
