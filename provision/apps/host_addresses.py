"""The addresses at which hosts of the inventory reach one another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from provision.errors import LabError
from provision.inventory import InventoryHost
from provision.inventory.fields import address
from provision.inventory.yaml_values import revealed

if TYPE_CHECKING:
    from provision.lab import LabHost


def check_address(host: InventoryHost) -> None:
    """Raise ConfigErrors if a host's address for other hosts makes no sense."""
    inner = revealed(host.vars.get(host.named("internal_address")))
    if inner is None:
        host.connection  # noqa: B018 - made, and so checked, on access
        return
    try:
        address(str(inner))
    except ValueError as error:
        raise host.error(("internal_address",), str(error)) from None


def lab_host(name: str) -> LabHost | None:
    """Return the host of the lab that has this name."""
    # imported here, as few hosts are of a lab
    from provision import lab

    return lab.find(name)


def addresses_of(hosts: Iterable[InventoryHost]) -> list[str]:
    """Return addresses of hosts; lab hosts that are not up have none, and are left out."""
    return [
        address_of(host)
        for host in hosts
        if host.connection.kind != "lab" or host.named("internal_address") in host.vars or lab_host(host.name)
    ]


def address_of(host: InventoryHost) -> str:
    """Return where other hosts reach a host: `internal_address`, else the address that prov uses.

    Raises LabError if that is a lab host that is not up, NoInstance if it has no instance.
    """
    inner = revealed(host.vars.get(host.named("internal_address")))
    if inner is not None:
        return str(inner)
    settings = host.connection
    if settings.kind == "ec2":
        # imported here, as few hosts are instances
        from provision.inventory.ec2_block import instance_address

        return instance_address(host).private
    if settings.kind != "lab":
        return settings.address
    found = lab_host(host.name)
    if found is None:
        raise LabError(
            f"the address of the lab host {host.name} is not known, as it is not up",
            hint=f"Boot it: prov lab up {host.name}",
        )
    return found.address
