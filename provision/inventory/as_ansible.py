"""The inventory as `ansible-inventory --list` prints it.

Source: ansible-core 2.19, ansible-inventory: values as they are written, before templates are worked out; hosts without
variables and groups without hosts and children are left out. `ungrouped` is always among the children of `all`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from provision.inventory.loaded import Inventory, InventoryHost
from provision.inventory.masking import masked
from provision.inventory.resolved_variables import ALWAYS
from provision.inventory.yaml_values import Deferred, SealedTemplate, Verbatim
from provision.secrets import MASK, Secret

ALL, UNGROUPED = ALWAYS
#: ansible-core's INTERNAL_STATIC_VARS: Ansible sets them itself, so that a variable of the name never counts
INTERNAL = frozenset((
    "ansible_async_path", "ansible_collection_name", "ansible_config_file", "ansible_dependent_role_names",
    "ansible_diff_mode", "ansible_facts", "ansible_forks", "ansible_inventory_sources", "ansible_limit",
    "ansible_play_batch", "ansible_play_hosts", "ansible_play_hosts_all", "ansible_play_role_names",
    "ansible_playbook_python", "ansible_role_name", "ansible_role_names", "ansible_run_tags", "ansible_skip_tags",
    "ansible_verbosity", "ansible_version", "inventory_dir", "inventory_file", "inventory_hostname",
    "inventory_hostname_short", "groups", "group_names", "hostvars", "playbook_dir", "play_hosts", "role_name",
    "role_names", "role_path", "role_uuid",
))  # fmt: skip


def listed(inventory: Inventory, hosts: Collection[str]) -> dict[str, Any]:
    """Return groups and variables, of some hosts, as JSON can hold them."""
    found: dict[str, Any] = {
        "_meta": {
            "hostvars": {
                name: as_json(values) for name in hosts if (values := written(inventory.hosts[name]))
            },
            "profile": "inventory_legacy",
        }
    }
    for name, group in inventory.groups.items():
        children = sorted(group.children, key=lambda child: child != UNGROUPED)
        members = [host for host in group.hosts if host in hosts]
        entry = {key: value for key, value in (("children", children), ("hosts", members)) if value}
        if entry:
            found[name] = entry
    return found


def written(host: InventoryHost) -> dict[str, Any]:
    """Return the variables of a host as they are written; those of files that are encrypted as a whole are masked."""
    return {
        key: masked(part.value, sealed=True) if part.sealed else part.value
        for key, part in host.located.items()
        if key not in INTERNAL
    }


def as_json(value: Any) -> Any:
    """Return a value as Ansible writes it: what is not a template, or is encrypted, is a mapping of one key."""
    if isinstance(value, Mapping):
        # the keys of JSON are text: true, not True
        return {
            str(key).lower() if isinstance(key, bool) else str(key): as_json(v) for key, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [as_json(part) for part in value]
    if isinstance(value, Verbatim):
        return {"__ansible_unsafe": str(value)}
    if isinstance(value, (Deferred, SealedTemplate, Secret)):
        return MASK
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
