"""Hosts that a group has by number: `ec2: {count: 3}` in the vars of the group web makes web1, web2 and web3."""

from __future__ import annotations

from collections.abc import Iterable

from provision.inventory.unresolved import Draft
from provision.inventory.yaml_values import shown

BLOCK = "ec2"
MOST = 100


def complete(draft: Draft) -> None:
    """Add the hosts of groups that count theirs. Errors go to the draft."""
    for group in list(draft.groups.values()):
        name = draft.prefix + BLOCK
        block = group.vars.get(name)
        counted = block.parts.get("count") if block is not None else None
        if counted is None:
            continue
        path = (group.name, "vars", name, "count")
        number = counted.value
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MOST:
            draft.wrong(counted.origin, path, f"must be a number from 1 to {MOST}, not {shown(number)}")
        elif group.hosts or group.children:
            message = f"counts the hosts of {group.name}, which lists hosts or groups itself"
            draft.wrong(
                counted.origin, path, message, "Take count out, or give the block a group of its own."
            )
        else:
            for index in range(1, number + 1):
                draft.add_host(f"{group.name}{index}", group.name, counted.origin)


def is_counted(name: str, groups: Iterable[str]) -> bool:
    """Return whether a host is one that a group of its counts."""
    return any(name.removeprefix(group).isdecimal() for group in groups if name.startswith(group))
