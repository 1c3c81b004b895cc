"""TARGET: which hosts a command is for.

Source: Ansible, "Patterns: targeting hosts and groups": `,` or `:` between terms, `*` and `?` in names, `&x`
only those that are in x too, `!x` not those in x; plain terms first, then `&`, then `!`, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Protocol

from provision.errors import UsageError
from provision.inventory.graph import ALL
from provision.inventory.host_variables import HostVariables
from provision.inventory.ranges import is_address
from provision.names import suggestion

SHORT = 20  # largest number of names in a hint


class Members(Protocol):
    """What target lookup needs from an inventory."""

    @property
    def hosts(self) -> Mapping[str, HostVariables]: ...

    @property
    def groups(self) -> Mapping[str, object]: ...


def select(inventory: Members, target: str, limit: str | None = None) -> set[str]:
    """Return the names of a target's hosts that are in the limit; see Inventory.select."""
    chosen = names(inventory, target)
    if limit is not None:
        within = names(inventory, limit)
        if not chosen & within:
            raise UsageError(f"--limit {limit!r} matches no host of {target!r}")
        chosen &= within
    return chosen


def names(inventory: Members, target: str) -> set[str]:
    """The names of a target's hosts; at least one."""
    if set("[]") & set(target):
        raise UsageError(
            f"{target!r}: ranges are not supported in a target",
            hint="Use * or ?, or list the names with commas.",
        )
    terms = [term for part in target.split(",") for term in split_colons(part.strip())]
    if not terms:
        raise UsageError("the target is empty", hint=known_names(inventory))
    plain = [term for term in terms if term[0] not in "!&"] or [ALL]
    chosen = set[str]().union(*(matches(inventory, term) for term in plain))
    for term in terms:
        if term[0] == "&":
            chosen &= matches(inventory, term[1:].strip())
    for term in terms:
        if term[0] == "!":
            chosen -= matches(inventory, term[1:].strip())
    if not chosen:
        raise UsageError(f"{target!r} matches no host")
    return chosen


def split_colons(part: str) -> list[str]:
    """Terms with Ansible's older separator; the colons of an IPv6 address separate nothing."""
    if is_address(part.lstrip("!&")):
        return [part]
    return [term.strip() for term in part.split(":") if term.strip()]


def matches(inventory: Members, term: str) -> set[str]:
    """Return the hosts that a name or glob matches. Raises UsageError if it matches none."""
    if not term:
        raise UsageError("'!' and '&' need a name after them")
    if term in inventory.hosts:
        return {term}
    if term in ("*", ALL):
        return set(inventory.hosts)
    if set("*?") & set(term):
        groups = {name for name in inventory.groups if fnmatchcase(name, term)}
    elif term in inventory.groups:
        groups = {term}
    else:
        every = [*inventory.hosts, *inventory.groups]
        raise UsageError(f"no host or group {term!r}.{suggestion(term, every)}", hint=known_names(inventory))
    found = {name for name in inventory.hosts if fnmatchcase(name, term)} | members(inventory, groups)
    if not found:
        raise UsageError(f"{term!r} matches no host", hint=known_names(inventory))
    return found


def members(inventory: Members, groups: Iterable[str]) -> set[str]:
    """The hosts in any of the groups or below them."""
    wanted = set(groups)
    if ALL in wanted:
        return set(inventory.hosts)
    return {host.name for host in inventory.hosts.values() if wanted.intersection(host.groups)}


def known_names(inventory: Members) -> str:
    """Return the known names, if they fit in two lines."""
    lists = {"Hosts": list(inventory.hosts), "Groups": [name for name in inventory.groups if name != ALL]}
    return " ".join(
        f"{kind}: {', '.join(found)}." for kind, found in lists.items() if 0 < len(found) <= SHORT
    )
