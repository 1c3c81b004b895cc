"""What hosts serve and balance. Each host is read once, and other hosts only as far as a target needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from provision.apps.application import Application
from provision.apps.balancing import Balanced, balanced_of, balancers_in
from provision.apps.bindings import Binding, Environment, bindings_of, refuse_shared, used_hosts
from provision.apps.host_addresses import check_address
from provision.apps.reading import apps_of
from provision.inventory import Inventory, InventoryHost, Problems
from provision.sources.manifests import Manifests


class Fleet:
    """The hosts of an inventory. Each method raises ConfigErrors for faults in what it reads.

    finder: returns the function `environment` of a role that applications use.
    """

    def __init__(self, inventory: Inventory, finder: Callable[[str], Callable[..., Environment]]) -> None:
        self._inventory = inventory
        self._finder = finder
        self._manifests = Manifests(inventory.read_from)
        self._apps: dict[str, tuple[Application, ...]] = {}
        self._provided: dict[str, tuple[Binding, ...]] = {}

    def apps(self, host: InventoryHost) -> tuple[Application, ...]:
        """Return the applications of a host."""
        if host.name not in self._apps:
            problems = Problems()
            apps = apps_of(host, self._manifests)
            for app in apps:
                with problems.gathered():
                    app.bound_to(bindings_of(host, app, self._finder))
            problems.raise_any()
            self._apps[host.name] = tuple(apps)
        return self._apps[host.name]

    def provided(self, host: InventoryHost) -> tuple[Binding, ...]:
        """Return what a host provides to applications, its own and those of other hosts."""
        if host.name not in self._provided:
            found = [
                each
                for user in self._users.get(host.name, ())
                for app in self.apps(user)
                for each in app.bindings
                if each.provider is host
            ]
            refuse_shared(found)
            self._provided[host.name] = tuple(found)
        return self._provided[host.name]

    def balanced(self, host: InventoryHost) -> tuple[Balanced, ...]:
        """Return what a host balances, which needs the applications of the hosts behind it."""
        return balanced_of(host, self.apps)

    def balancers(self, host: InventoryHost) -> tuple[InventoryHost, ...]:
        """Return the hosts that `balance` puts before a host: their headers about clients are trusted.

        Of their variables, only that and their addresses are read; the rest is checked when they are targets.
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
        """Return the first host of each application."""
        found: dict[str, str] = {}
        for host in self._inventory.hosts.values():
            apps = host.written("apps")
            for name in apps if isinstance(apps, Mapping) else ():
                found.setdefault(str(name), host.name)
        return found

    @cached_property
    def _users(self) -> Mapping[str, list[InventoryHost]]:
        """Return the hosts whose applications may use each host, itself among them, in the inventory's order."""
        found: dict[str, list[InventoryHost]] = {}
        for host in self._inventory.hosts.values():
            for name in {host.name, *used_hosts(host)}:
                found.setdefault(name, []).append(host)
        return found

    @cached_property
    def _balancers(self) -> Mapping[str, tuple[InventoryHost, ...]]:
        return balancers_in(self._inventory)
