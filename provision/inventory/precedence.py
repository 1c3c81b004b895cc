"""The precedence of variables: which value a host gets.

Source: Ansible, "Understanding variable precedence", the part that concerns inventories, from weak to strong:
group vars in inventory files; group_vars/all beside the inventory, then in the project; group_vars/* beside
the inventory, then in the project; host vars in inventory files; host_vars/* beside the inventory, then in
the project. Within each, groups in the order of graph.memberships. A stronger value replaces the weaker
one whole (Ansible's hash_behaviour=replace).
"""

from __future__ import annotations

from collections.abc import Sequence

from provision.inventory.graph import ALL
from provision.inventory.located import Located
from provision.inventory.unresolved import Draft
from provision.inventory.varsfolder import VarsFolder


def variables(
    draft: Draft,
    host: str,
    groups: Sequence[str],
    group_vars: Sequence[VarsFolder],
    host_vars: Sequence[VarsFolder],
) -> dict[str, Located]:
    """The variables of a host.

    groups: as graph.memberships gives them.  group_vars, host_vars: folders, the weaker ones first.
    """
    final: dict[str, Located] = {}
    for name in (ALL, *groups):
        final |= draft.groups[name].vars
    for folder in group_vars:
        final |= folder.of(ALL)
    for folder in group_vars:
        for name in groups:
            final |= folder.of(name)
    final |= draft.hosts[host].vars
    for folder in host_vars:
        final |= folder.of(host)
    return final
