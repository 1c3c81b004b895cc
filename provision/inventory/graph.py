"""The graph of groups: `all`, `ungrouped`, depth, and the order in which variables override.

Source: Ansible's inventory guide, "Default groups" and "How variables are merged": all, then parents, then
children; groups of one depth by ansible_group_priority, then by name.
"""

from __future__ import annotations

from functools import cache

from provision.inventory.located import Origin
from provision.inventory.unresolved import Draft

ALL = "all"
UNGROUPED = "ungrouped"
#: the deepest nesting of groups
DEEPEST = 100


def complete(draft: Draft) -> None:
    """Add the groups that always exist, and check what no single file shows: cycles and shared names."""
    nowhere = Origin("inventory", 1)
    everything = draft.add_group(ALL, nowhere)
    ungrouped = draft.add_group(UNGROUPED, nowhere)
    _refuse_shared_names(draft)
    if _refuse_cycles(draft):
        return  # the code below would not end
    below = {child for group in draft.groups.values() for child in group.children}
    for name in draft.groups:
        if name != ALL and name not in below:
            draft.add_child(ALL, name)
    grouped = {host for g in draft.groups.values() if g.name not in (ALL, UNGROUPED) for host in g.hosts}
    ungrouped.hosts = [
        host for host in dict.fromkeys([*ungrouped.hosts, *draft.hosts]) if host not in grouped
    ]
    everything.first, everything.hosts = (
        everything.hosts,
        [],
    )  # each is in ungrouped or in a group, and so below `all`


def _refuse_shared_names(draft: Draft) -> None:
    # Ansible warns and continues; but a TARGET would be ambiguous, unless both are the same
    for name, host in draft.hosts.items():
        if name in (ALL, UNGROUPED):
            draft.wrong(host.origin, (name,), f"{name!r} is the name of a built-in group; rename the host")
        elif name in draft.groups and (draft.groups[name].hosts != [name] or draft.groups[name].children):
            message = f"{name!r} is a host here and a group at {draft.groups[name].origin}"
            draft.wrong(host.origin, (name,), message, "Give one of them another name.")


def _refuse_cycles(draft: Draft) -> bool:
    """Add an error for each cycle among groups; whether there was one."""
    done: set[str] = set()
    found = False

    def walk(name: str, trail: tuple[str, ...]) -> None:
        nonlocal found
        if name in trail:
            found = True
            cycle = " > ".join((*trail[trail.index(name) :], name))
            draft.wrong(draft.groups[trail[-1]].origin, (trail[-1],), f"groups contain each other: {cycle}")
        elif len(trail) > DEEPEST:
            found = True
            message = f"groups are nested more than {DEEPEST} deep"
            draft.wrong(draft.groups[trail[-1]].origin, (trail[-1],), message)
        elif name not in done:
            for child in draft.groups[name].children:
                walk(child, (*trail, name))
            done.add(name)

    for name in draft.groups:
        walk(name, ())
    if ALL in {child for group in draft.groups.values() for child in group.children} and not found:
        found = True
        draft.wrong(draft.groups[ALL].origin, (ALL,), "'all' cannot be the child of a group")
    return found


def above(draft: Draft, host: str) -> tuple[str, ...]:
    """Return the groups of a host while the draft is not complete, without `all`, in the order of `memberships`."""
    found = dict.fromkeys(draft.groups_of(host), 0)
    level = set(found)
    for depth in range(DEEPEST):
        level = {g.name for g in draft.groups.values() if not level.isdisjoint(g.children)}
        found |= dict.fromkeys(level, -depth - 1)
        if not level:
            break
    found.pop(ALL, None)
    return tuple(sorted(found, key=lambda name: (found[name], draft.groups[name].priority, name)))


def memberships(draft: Draft) -> dict[str, tuple[str, ...]]:
    """The groups of each host, its own and all above, without `all`; the last one's variables win."""
    parents: dict[str, list[str]] = {name: [] for name in draft.groups}
    for group in draft.groups.values():
        for child in group.children:
            parents[child].append(group.name)

    @cache
    def depth(name: str) -> int:
        return max((depth(parent) + 1 for parent in parents[name]), default=0)

    @cache
    def ancestors(name: str) -> frozenset[str]:
        return frozenset({name}).union(*(ancestors(parent) for parent in parents[name]))

    groups: dict[str, set[str]] = {host: set() for host in draft.hosts}
    for group in draft.groups.values():
        above = ancestors(group.name) - {ALL}
        for host in group.hosts:
            groups[host] |= above

    def order(name: str) -> tuple[int, int, str]:
        return depth(name), draft.groups[name].priority, name

    return {host: tuple(sorted(names, key=order)) for host, names in groups.items()}
