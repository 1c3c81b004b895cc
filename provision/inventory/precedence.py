"""The precedence of variables: which value a host gets.

Source: Ansible, "Understanding variable precedence", the part that concerns inventories, from weak to strong:
group vars in inventory files; group_vars/all beside the inventory, then in the project; group_vars/* beside
the inventory, then in the project; host vars in inventory files; host_vars/* beside the inventory, then in
the project. Within each, groups in the order of graph.memberships. A stronger value replaces the weaker
one whole (Ansible's hash_behaviour=replace), unless ansible.cfg says merge. Then `group_apps` and `host_apps` are laid
over `apps`, as roles of DebOps have such variables: debops.nginx, "nginx__group_servers".
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
    return merged(
        layers(draft, host, groups, group_vars, host_vars), mappings=draft.merge, prefix=draft.prefix
    )


def layers(
    draft: Draft,
    host: str,
    groups: Sequence[str],
    group_vars: Sequence[VarsFolder],
    host_vars: Sequence[VarsFolder],
) -> list[Layer]:
    """Return the variables of a host from each place, the weaker ones first. See `variables`."""
    found: list[Layer] = [layer for name in (ALL, *groups) for layer in draft.group_layers(name)]
    for folder in group_vars:
        found += folder.of(ALL)
    for folder in group_vars:
        for name in groups:
            found += folder.of(name)
    found += draft.host_layers(host)
    for folder in host_vars:
        found += folder.of(host)
    return found
