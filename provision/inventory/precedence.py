"""The precedence of variables: which value a host gets.

Source: Ansible, "Understanding variable precedence", the part that concerns inventories, from weak to strong:
group vars in inventory files; group_vars/all beside the inventory, then in the project; group_vars/* beside
the inventory, then in the project; host vars in inventory files; host_vars/* beside the inventory, then in
the project. Within each, groups in the order of graph.memberships. A stronger value replaces the weaker
one whole (Ansible's hash_behaviour=replace).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provision.inventory.graph import ALL
from provision.inventory.located import Located
from provision.inventory.sealed_variables import Layer, merged
from provision.inventory.unresolved import Draft
from provision.inventory.varsfolder import VarsFolder


def variables(
    draft: Draft,
    host: str,
    groups: Sequence[str],
    group_vars: Sequence[VarsFolder],
    host_vars: Sequence[VarsFolder],
) -> Mapping[str, Located]:
    """The variables of a host; those in encrypted files are read when the host's are first used.

    groups: as graph.memberships gives them.  group_vars, host_vars: folders, the weaker ones first.
    """
    layers: list[Layer] = [draft.groups[name].vars for name in (ALL, *groups)]
    for folder in group_vars:
        layers += folder.of(ALL)
    for folder in group_vars:
        for name in groups:
            layers += folder.of(name)
    layers.append(draft.hosts[host].vars)
    for folder in host_vars:
        layers += folder.of(host)
    return merged(layers)
