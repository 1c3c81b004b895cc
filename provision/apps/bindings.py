"""What an application uses, resolved: which host provides it, and how the application reaches it (D20)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field
from typing import Any

from provision.apps.app_model import App
from provision.apps.host_addresses import address_of
from provision.apps.settings import known_roles
from provision.apps.tls import AUTHORITY_PATH, TLS_FOLDER
from provision.apps.used_services import Use
from provision.declared import backing_roles
from provision.declared.backing_roles import BackingRole
from provision.inventory import InventoryHost, Problems
from provision.inventory.ranges import is_address
from provision.inventory.yaml_values import revealed
from provision.names import suggestion
from provision.secrets import Secret
from provision.values import dataclass

#: names under which hosts are reached for this; each user of one has its address in /etc/hosts
DOMAIN = "prov.internal"
LOOPBACK = "127.0.0.1"
#: what a plan takes for a password that the deploy will make; without blanks, so that a URL with it has a login
TO_BE_MADE = Secret("the-password-that-the-deploy-makes")

Environment = Mapping[str, str | Secret]


@dataclass(frozen=True)
class ClientFiles:
    """Paths of an application's key and certificate, and of the authority that it verifies servers with."""

    key: str
    certificate: str
    authority: str


class Handed:
    """What the host with the role tells the application's host in a run: in memory only.

    secret: the password; None until the host with the role, or the application's own, has said it.
    is_new: returns whether the run makes it, such as a database. Waits for the step, if it is this host's.
    """

    def __init__(self) -> None:
        self.secret: Secret | None = None
        self.is_new: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Binding:
    """One service that an application uses.

    app, key, use: the application, and its entry in `uses`.  client: the application's host.
    provider: the host with the role.  finds: the role's function `environment`.
    first: whether it is the application's first use of that role, which gets the variables without its name.
    backing: the role's declaration.  handed: what this run's hosts tell each other of it.
    """

    app: App
    key: str
    use: Use
    client: InventoryHost
    provider: InventoryHost
    finds: Callable[[Binding, Collection[str]], Environment]
    first: bool
    backing: BackingRole
    handed: Handed = field(default_factory=Handed)

    @property
    def role(self) -> str:
        """Return the role that provides it."""
        return self.use.role

    @property
    def name(self) -> str:
        """Return its name at the provider, such as that of a database."""
        return self.use.name or (
            self.app.name if self.key == "database" else f"{self.app.name}-{self.key.replace('_', '-')}"
        )

    @property
    def way(self) -> str:
        """Return how the application reaches it: by a socket, with a certificate, or with a password."""
        return self.use.auth or ("certificate" if self.is_elsewhere else "socket")

    @property
    def is_elsewhere(self) -> bool:
        """Return whether it is on another host than the application."""
        return self.provider is not self.client

    @property
    def host_name(self) -> str:
        """Return the name by which other hosts reach the provider, and which its certificate is for.

        It is the name in its address, or one of prov's own, which other hosts have in /etc/hosts. Raises
        ProvError if the address is not known. A client on the provider's own host reaches it by the loopback.
        """
        if not self.is_elsewhere:
            return LOOPBACK
        address = address_of(self.provider)
        if not is_address(address):
            return address.lower()
        return f"{re.sub(r'[^a-z0-9]+', '-', self.provider.name.lower()).strip('-')}.{DOMAIN}"

    @property
    def port(self) -> int:
        """Return the port at which other hosts reach it."""
        return self.backing.port(self.name)

    @property
    def opening(self) -> str:
        """Return what lets the application's host in at a firewall of the provider: "5432 from 10.0.0.3"."""
        address = address_of(self.client)
        # a name may have other addresses tomorrow: certificates and passwords still refuse strangers
        return f"{self.port} from {address}" if is_address(address) else str(self.port)

    @property
    def files(self) -> ClientFiles:
        """Return where the application's certificate is, on its own host."""
        base = f"{TLS_FOLDER}/{self.app.name}-client"
        return ClientFiles(f"{base}.key", f"{base}.crt", AUTHORITY_PATH)

    @property
    def variable(self) -> str:
        """Return the variable that holds its URL, such as DATABASE_URL."""
        return f"{self._prefix}_URL"

    @property
    def password_variable(self) -> str:
        """Return the variable that holds its password, with `auth: password`, such as DATABASE_PASSWORD."""
        return f"{self._prefix}_PASSWORD"

    @property
    def _prefix(self) -> str:
        return self.key.upper().replace("-", "_")

    @property
    def password(self) -> Secret:
        """Return the password; a word instead of it in a plan that would make one, and in lists of steps."""
        return self.handed.secret or TO_BE_MADE

    def environment(self, packages: Collection[str]) -> Environment:
        """Return what it adds to the application's environment. packages: names in its requirements."""
        return self.finds(self, packages)

    def url(self, plain: str, scheme: str, values: Mapping[str, str]) -> str:
        """Return the URL, as the inventory's `url` sets it. plain: the default, a format for the values."""
        wanted = self.use.url
        if wanted is not None and "://" in wanted:
            plain = wanted
        for name, value in {**values, "scheme": wanted or scheme}.items():
            plain = plain.replace(f"{{{name}}}", value)
        return plain

    def is_new(self) -> bool:
        """Return whether this run makes it, and its data is lost or not there yet."""
        return self.handed.is_new()

    def variables(self, plain: str, scheme: str, values: Mapping[str, str]) -> dict[str, str | Secret]:
        """Return the variables with its URL, and with its password if it has one. Arguments: as of `url`."""
        if self.way != "password":
            return {self.variable: self.url(plain, scheme, values)}
        text = self.url(plain, scheme, {**values, "password": self.password.reveal()})
        return {self.variable: Secret(text), self.password_variable: self.password}

    def said(self, *path: str) -> tuple[str, ...]:
        """Return where the inventory declares it."""
        return ("apps", self.app.name, "uses", self.key, *path)


def bindings_of(
    host: InventoryHost, app: App, finder: Callable[[str], Callable[..., Environment]]
) -> tuple[Binding, ...]:
    """Resolve what an application of a host uses. Raises ConfigErrors: no such host, a host without the role.

    finder: returns the function `environment` of a role.
    """
    problems = Problems()
    found: list[Binding] = []
    hosts = host.inventory.hosts
    for key, use in app.uses.items():
        path = ("apps", app.name, "uses", key)
        provider = hosts.get(use.host) if use.host is not None else host
        if provider is None:
            message = f"there is no host {use.host!r}.{suggestion(str(use.host), hosts)}"
            problems.add(host.error((*path, use.role), message, f"There are: {', '.join(hosts)}"))
            continue
        if use.role not in provider.roles:
            message = f"{provider.name} does not have the role {use.role!r}"
            hint = f"Add {use.role} to `roles` of {provider.name}."
            problems.add(host.error(path, message, hint))
            continue
        with problems.gathered():
            first = all(each.role != use.role for each in found)
            backing = backing_roles.named(use.role, known_roles(host)["roles"])
            binding = Binding(app, key, use, host, provider, finder(use.role), first, backing)
            if binding.way == "certificate" and "_" in app.user:
                raise host.error(path, f"a certificate cannot name {app.user!r}: no name in one has '_'")
            if binding.way not in backing.reached_by:
                able = " or ".join(backing.reached_by)
                message = f"the role {use.role!r} is reached by {able}, not by {binding.way}"
                raise host.error(path, message)
            given = {**app.environment, **app.secrets}
            if binding.way == "password" and binding.password_variable in given:
                message = f"{binding.password_variable} is prov's own: it holds the password of {key!r}"
                raise host.error(path, message, "Give yours another name, or leave out `auth`.")
            found.append(binding)
    problems.raise_any()
    return tuple(found)


def refuse_shared(bindings: Collection[Binding]) -> None:
    """Raise ConfigErrors for each name that another application, or another use, already has.

    bindings: all that one host provides. Hosts that have the same application share what it uses.
    """
    problems = Problems()
    owners: dict[tuple[str, str], Binding] = {}
    taken: dict[tuple[str, int], Binding] = {}
    for each in bindings:
        owner = owners.setdefault((each.role, each.name), each)
        if (owner.app.name, owner.key) != (each.app.name, each.key):
            place = owner.client.origin(*owner.said())
            message = (
                f"{each.name!r} on {each.provider.name} is `{owner.key}` of {owner.app.name!r} ({place})"
            )
            hint = "Give it a `name` of its own."
            problems.add(each.client.error(each.said(), message, hint))
        rival = taken.setdefault((each.role, each.port), each)
        first, last = each.backing.ports
        if first != last and rival.name != each.name and "socket" not in (each.way, rival.way):
            message = (
                f"{each.name!r} and {rival.name!r} would have one port on {each.provider.name}: {each.port}"
            )
            problems.add(each.client.error(each.said(), message, "Give it another `name`."))
    problems.raise_any()


def used_hosts(host: InventoryHost) -> Iterator[str]:
    """Return names of other hosts that a host's applications use, if its variables name them directly."""
    apps = revealed(host.written("apps"))
    for app in apps.values() if isinstance(apps, Mapping) else ():
        uses: Any = app.get("uses") if isinstance(app, Mapping) else None
        for use in uses.values() if isinstance(uses, Mapping) else ():
            yield from (str(name) for name in (use.values() if isinstance(use, Mapping) else ()))
