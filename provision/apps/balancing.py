"""Load balancing: the hosts of the inventory that serve an application behind another host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from provision.apps.application import Application
from provision.apps.host_addresses import check_address
from provision.apps.settings import FrontName, Settings, known_roles, role_folders
from provision.declared import fronts
from provision.declared.fronts import DEFAULT_FRONT
from provision.errors import ConfigErrors, UsageError
from provision.inventory import Inventory, InventoryHost, Problems
from provision.inventory.own_names import HINT
from provision.inventory.validation import validate
from provision.inventory.yaml_values import revealed, shown
from provision.names import suggestion
from provision.values import dataclass


class Balance(Settings):
    """An application that this host balances. `balance: {shop: web}` is short for `hosts: web`."""

    hosts: str = Field(description="The hosts that serve it: a host, a group, or a pattern, as in a TARGET.")
    method: Literal["round_robin", "least_conn", "ip_hash"] = Field(
        default="least_conn",
        description="How a host is chosen: in turn, the one with the fewest requests, or always the same for a client.",
    )
    weights: dict[str, int] = Field(default={}, description="Weights of hosts; the default is 1.")
    backup: tuple[str, ...] = Field(
        default=(), description="Hosts that get requests only if all others are down."
    )
    front: FrontName = Field(default=DEFAULT_FRONT, description="The role of the front.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"hosts": value} if isinstance(value, str) else value

    @field_validator("front")
    @classmethod
    def _balances(cls, front: str, info: ValidationInfo) -> str:
        if "balance" not in fronts.named(front, role_folders(info)).offers:
            raise ValueError(f"the front {front!r} does not balance")
        return front

    @model_validator(mode="after")
    def _fits(self) -> Balance:
        if any(weight < 1 for weight in self.weights.values()):
            raise ValueError("a weight must be at least 1; to exclude a host, remove it from `hosts`")
        if self.backup and self.method == "ip_hash":
            raise ValueError("ip_hash has no backups: it always sends a client to the same host")
        return self


@dataclass(frozen=True)
class Balanced:
    """An application with the hosts that serve it. app: as the first of them declares it."""

    app: Application
    balance: Balance
    hosts: tuple[InventoryHost, ...]


#: returns the applications of a host; raises ConfigErrors
AppsOf = Callable[[InventoryHost], Sequence[Application]]


def balanced_of(host: InventoryHost, apps_of: AppsOf) -> tuple[Balanced, ...]:
    """Return what a host balances, from its variable `balance`, in the order of the inventory.

    Raises ConfigErrors with all faults: unknown hosts, hosts without the application, other names in weights
    or backup, applications that differ in their domains or tls.
    """
    problems = Problems()
    found: list[Balanced] = []
    for name, value in entries(host):
        with problems.gathered():
            found.append(balanced(host, name, value, apps_of))
    taken = {app.front: app.name for app in apps_of(host)}
    for each in found:
        other = next((name for front, name in taken.items() if front != each.balance.front), None)
        taken.setdefault(each.balance.front, each.app.name)
        if other is not None:
            message = f"{other} has another front on this host, and both need ports 80 and 443"
            problems.add(host.error(("balance", each.app.name, "front"), message))
    problems.raise_any()
    return tuple(found)


def entries(host: InventoryHost) -> Iterator[tuple[Any, Any]]:
    """Yield the names and settings in a host's `balance`. Raises ConfigErrors."""
    settings = revealed(host.vars.get(host.named("balance")))
    if settings is None:
        return
    if not isinstance(settings, Mapping):
        message = f"must be a mapping of applications to hosts, not {shown(settings)}"
        raise ConfigErrors([host.error(("balance",), message, HINT.format(name="balance"))])
    yield from settings.items()


def servers_of(host: InventoryHost, name: Any, value: Any) -> tuple[Balance, list[InventoryHost]]:
    """Return one entry of `balance`, and the hosts that it names. Raises ConfigErrors."""
    path = ("balance", name)
    balance = validate(
        Balance, {"hosts": value} if isinstance(value, str) else value, host, path, known_roles(host)
    )
    try:
        return balance, host.inventory.select(balance.hosts)
    except UsageError as error:
        raise host.error((*path, "hosts"), error.message, error.hint) from None


def balanced(host: InventoryHost, name: Any, value: Any, apps_of: AppsOf) -> Balanced:
    """Return one entry of `balance`, checked against the applications of its hosts. Raises ConfigErrors."""
    path = ("balance", name)
    balance, servers = servers_of(host, name, value)
    for field, names in (("weights", list(balance.weights)), ("backup", list(balance.backup))):
        known = [server.name for server in servers]
        for other in names:
            if other not in known:
                message = f"{other!r} is not one of its hosts ({', '.join(known)}).{suggestion(other, known)}"
                raise host.error((*path, field), message)
    for server in servers:
        check_address(server)
    if set(balance.backup) >= {server.name for server in servers}:
        raise host.error((*path, "backup"), "every host is a backup; at least one must not be")
    apps = []
    for server in servers:
        app = next((app for app in apps_of(server) if app.name == name), None)
        if app is None:
            raise host.error((*path, "hosts"), f"{server.name} has no application {name!r}")
        apps.append(app)
    for app, server in zip(apps, servers):
        if (app.names, app.tls, app.path) != (apps[0].names, apps[0].tls, apps[0].path):
            message = f"{servers[0].name} and {server.name} differ in domains, tls or path of {name!r}"
            raise host.error((*path, "hosts"), message)
    if apps[0].auth and apps[0].auth.by == "certificate":
        message = (
            f"{name} has `auth: certificate`, and hosts behind a balancer see no certificates of clients"
        )
        raise host.error((*path, "hosts"), message, "Use `auth: basic`, or leave it out of `balance`.")
    for wanted in ("streams", "cache", "rate_limit"):
        if wanted in apps[0].asks_of_front and wanted not in offered_by(host, balance.front):
            raise host.error(
                (*path, "front"), f"the front {balance.front!r} has no `{wanted}`, which {name} needs"
            )
    return Balanced(apps[0], balance, tuple(servers))


def offered_by(host: InventoryHost, front: str) -> tuple[str, ...]:
    """Return the declaration of a front in the host's project."""
    return fronts.named(front, known_roles(host)["roles"]).offers


def apps_before(host: InventoryHost, balancer: InventoryHost) -> dict[str, list[str]]:
    """Return the roles of the fronts by which a host balances to another one, each with the names of the applications.

    Raises ConfigErrors.
    """
    found: dict[str, list[str]] = {}
    for name, value in entries(balancer):
        balance, servers = servers_of(balancer, name, value)
        if host in servers:
            found.setdefault(balance.front, []).append(str(name))
    return found


def balancers_in(inventory: Inventory) -> dict[str, tuple[InventoryHost, ...]]:
    """Return host name -> the other hosts that stand before it by their `balance`. Raises
    ConfigErrors."""
    problems = Problems()
    found: dict[str, dict[str, InventoryHost]] = {}
    for host in inventory.hosts.values():
        with problems.gathered():
            for name, value in entries(host):
                for server in servers_of(host, name, value)[1]:
                    if server is not host:
                        found.setdefault(server.name, {})[host.name] = host
    problems.raise_any()
    return {name: tuple(hosts.values()) for name, hosts in found.items()}
