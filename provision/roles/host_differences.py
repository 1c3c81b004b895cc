"""What differs between the variables of two sets of hosts, such as staging and production."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from provision.errors import ConfigError
from provision.inventory import InventoryHost
from provision.inventory.located import dotted
from provision.inventory.masking import masked
from provision.inventory.sealed_variables import PARTS_OF_APPS
from provision.inventory.yaml_values import Deferred, Reference
from provision.roles.shown_variables import kinds_of
from provision.roles.worked_out import YamlPath, worked_out
from provision.secrets import MASK, Secret, without_logins
from provision.values import dataclass
from provision.vault.references import said

#: what each host has of its own, and parts that are in `apps` already
NOT_COMPARED = {
    *PARTS_OF_APPS, "ansible_host", "ansible_ssh_host", "ansible_port", "ansible_ssh_port", "internal_address",
}  # fmt: skip
#: in place of a value that a side does not have
NONE = "-"


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same on both sides. left, right: its values as they may be shown, each once."""

    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]


@dataclass(frozen=True)
class ComparedValue:
    """text: the value.  shown: what may be seen of it."""

    text: str
    shown: str


Values = dict[str, list[ComparedValue]]


def differences(left: Sequence[InventoryHost], right: Sequence[InventoryHost]) -> list[Difference]:
    """Return the settings that differ, by name: the values that hosts of one side have are not those of the other.

    Raises ConfigErrors for variables that can't be worked out.
    """
    found = [] if len(left) == len(right) else [Difference("hosts", (str(len(left)),), (str(len(right)),))]
    a, b = values_of(left), values_of(right)
    for name in dict.fromkeys([*a, *b]):
        ours, theirs = a.get(name, []), b.get(name, [])
        if {each.text for each in ours} != {each.text for each in theirs}:
            found.append(Difference(name, seen(ours), seen(theirs)))
    return sorted(found, key=lambda each: (each.name != "hosts", each.name))


def seen(values: Sequence[ComparedValue]) -> tuple[str, ...]:
    """Return values as they may be shown, each once."""
    return tuple(dict.fromkeys(each.shown for each in values)) or (NONE,)


def values_of(hosts: Sequence[InventoryHost]) -> Values:
    """Return the values that hosts have for each setting."""
    found: Values = {}
    for host in hosts:
        kinds = kinds_of(host)
        for variable, part in sorted(host.located.items()):
            if variable in NOT_COMPARED:
                continue
            value = worked_out(host, variable)
            hidden = masked({variable: value}, kinds, sealed=part.sealed)[variable]
            for path, each in leaves(host, value, hidden, (variable,)):
                found.setdefault(dotted(path), []).append(each)
    return found


def leaves(
    host: InventoryHost, value: Any, hidden: Any, path: YamlPath
) -> Iterator[tuple[YamlPath, ComparedValue]]:
    """Yield the settings in a value; a list is one setting."""
    if isinstance(value, Mapping) and hidden != MASK and value:
        for key, part in value.items():
            yield from leaves(host, part, hidden.get(str(key), MASK), (*path, without_logins(str(key))))
        return
    shown = said(value.wanted) if isinstance(value, Reference) else text_of(hidden)
    try:
        yield path, ComparedValue(json.dumps(comparable(value), sort_keys=True, ensure_ascii=False), shown)
    except ConfigError as error:
        raise host.error(path, error.message, error.hint) from None


def comparable(value: Any) -> Any:
    """Return a value in JSON's types, with its secrets. Raises ConfigError.

    References are compared by what they name: nothing is fetched.
    """
    if isinstance(value, Reference):
        return {"secret": dict(value.wanted)}
    if isinstance(value, Deferred):
        value = value.open()
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return {str(key): comparable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [comparable(part) for part in value]
    return str(value) if isinstance(value, (date, bytes)) else value


def text_of(hidden: Any) -> str:
    """Return a masked value on one line."""
    return (
        hidden if isinstance(hidden, str) and hidden.isprintable() else json.dumps(hidden, ensure_ascii=False)
    )
