"""The block `ec2:` of a host, checked, with file and line of each error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from provision.cloud.instance_spec import SSH_PORT, InstanceSpec, lets_in
from provision.inventory.counted_hosts import BLOCK, is_counted
from provision.inventory.loaded import InventoryHost
from provision.inventory.validation import validate

if TYPE_CHECKING:
    from provision.cloud.instance_addresses import InstanceAddress


def instance_spec(host: InventoryHost) -> InstanceSpec:
    """Return the instance that a host is to be. Raises ConfigErrors."""
    spec = validate(InstanceSpec, host.vars[host.named(BLOCK)], host, (BLOCK,))
    if spec.count is not None and not is_counted(host.name, host.groups):
        raise host.error(
            (BLOCK, "count"),
            "counts the hosts of a group of an inventory file, which lists none itself",
            "Take it out, or write the block into the group's vars there.",
        )
    port = host.connection.port or SSH_PORT
    if spec.address != "ssm" and spec.rules and not spec.security_groups and not lets_in(spec.rules, port):
        raise host.error(
            (BLOCK, "rules"),
            f"no rule lets prov in: none is for port {port}",
            f"Add one with your own network:  {{port: {port}, from: [192.0.2.0/24]}}",
        )
    return spec


def own_user_data(host: InventoryHost, spec: InstanceSpec) -> Path | None:
    """Return the file of user data that a host names; a relative path starts at the inventory file."""
    if spec.user_data is None:
        return None
    origin = host.origin(BLOCK, "user_data")
    folder = origin.folder if origin else Path()
    return folder / spec.user_data.expanduser()


def instance_address(host: InventoryHost) -> InstanceAddress:
    """Return where a host's instance is. Raises ConfigErrors, CloudError, NoInstance."""
    # imported here: few hosts are instances
    from provision.cloud.instance_lookup import find_address

    return find_address(instance_spec(host), host.name)
