"""What hosts serve and balance. Each host is read once, and other hosts only as far as a target needs them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from provision.apps.application import Application
from provision.apps.balancing import Balanced, balanced_of, balancers_in, check_address
from provision.apps.reading import apps_of
from provision.inventory import Inventory, InventoryHost, Problems
from provision.sources.manifests import Manifests


class Fleet:
    """The hosts of an inventory. Each method raises ConfigErrors for what is wrong in what it reads."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._manifests = Manifests()
        self._apps: dict[str, tuple[Application, ...]] = {}

    def apps(self, host: InventoryHost) -> tuple[Application, ...]:
        """Return the applications of a host."""
        if host.name not in self._apps:
            self._apps[host.name] = tuple(apps_of(host, self._manifests))
        return self._apps[host.name]

    def balanced(self, host: InventoryHost) -> tuple[Balanced, ...]:
        """Return what a host balances, which needs the applications of the hosts behind it."""
        return balanced_of(host, self.apps)

    def balancers(self, host: InventoryHost) -> tuple[InventoryHost, ...]:
        """Return the hosts that stand before a host, by their `balance`: what they say of clients is believed.

        Of their variables, nothing but that and their addresses is read: the rest is checked when they are targets.
        """
        found = self._balancers.get(host.name, ())
        problems = Problems()
        for other in found:
            with problems.gathered():
                check_address(other)
        problems.raise_any()
        return found

    def leads(self, host: InventoryHost) -> frozenset[str]:
        """Return the names of the applications that no earlier host of the inventory has."""
        return frozenset(name for name, first in self._first.items() if first == host.name)

    @cached_property
    def _first(self) -> Mapping[str, str]:
        """The first host of each application."""
        found: dict[str, str] = {}
        for host in self._inventory.hosts.values():
            apps = host.vars.get("apps")
            for name in apps if isinstance(apps, Mapping) else ():
                found.setdefault(str(name), host.name)
        return found

    @cached_property
    def _balancers(self) -> Mapping[str, tuple[InventoryHost, ...]]:
        return balancers_in(self._inventory)
