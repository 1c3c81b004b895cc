"""The resolved project: what each host gets, resolved once, top down, before the first connection.

Hosts come first, then their applications and what they balance, then the roles that these need, then the
roles'
parameters. Each stage gets the results of the earlier ones and resolves nothing again (decision D19).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from provision.declared import backing_roles
from provision.declared.role_folders import names, search_path
from provision.errors import ConfigError, ConfigErrors
from provision.inventory import InventoryHost, Problems, check
from provision.inventory.validation import validate
from provision.names import suggestion
from provision.roles.role_model import Params, Role, find
from provision.roles.variable_names import VariableNames
from provision.secrets import Secret
from provision.values import dataclass

if TYPE_CHECKING:
    from provision.agent.secret_masks import Masks
    from provision.apps.application import Application
    from provision.apps.balancing import Balanced
    from provision.apps.bindings import Binding


@dataclass(frozen=True)
class ServedApps:
    """What a host serves. apps: its own applications.  balanced: those of the hosts behind it.

    balancers: the hosts that balance to it.  leads: names of the applications whose first host it is.
    provided: what its roles provide to applications, its own and those of other hosts.
    beside: they are previews: fronts add them to what they serve, and leave the rest of their configuration alone.
    """

    apps: tuple[Application, ...] = ()
    balanced: tuple[Balanced, ...] = ()
    balancers: tuple[InventoryHost, ...] = ()
    leads: frozenset[str] = frozenset()
    provided: tuple[Binding, ...] = ()
    beside: bool = False

    @property
    def every(self) -> tuple[Application, ...]:
        """Return its own applications, and those that it balances."""
        return (*self.apps, *(each.app for each in self.balanced))


@dataclass(frozen=True)
class Assignment:
    """What one host gets.

    roles: those that run, in their order, with their parameters.  served: what it serves by them.
    params: by role, for all roles of the host, also those that do not run this time.
    """

    host: InventoryHost
    roles: tuple[tuple[Role, Params | None], ...] = ()
    params: Mapping[str, Params] = field(default_factory=dict)
    served: ServedApps = ServedApps()

    @cached_property
    def secrets(self) -> list[str]:
        """Every secret in the host's variables, in order."""
        # imported here: it takes as long as everything else, and runs while the host logs in
        from provision.roles.shown_variables import secrets_in

        return secrets_in(self.host)

    def masks(self) -> Masks:
        """Return what masks the secrets in the host's variables, also those that a role reads later."""
        from provision.agent.secret_masks import Masks
        from provision.controller.step_payload import secrets_within

        found = Masks(self.secrets)
        self.host.vars.noticed = lambda value: found.update(secrets_within(value))
        return found


def resolve(
    hosts: Sequence[InventoryHost],
    only: Sequence[str] = (),
    project: Path | None = None,
    *,
    reach: bool = True,
) -> list[Assignment]:
    """Resolve what each host gets. Raises ConfigErrors with all that is wrong, of all hosts.

    only: names of roles to run; the others are left out.  project: its folder; the process's own by default.
    reach: whether prov is to connect to them, which it can't to targets on platforms.
    """
    check(hosts, reach=reach)
    problems = Problems()
    known = KnownRoles(search_path(project))
    check_variables(hosts, known, problems)
    check_instances(hosts, problems)
    served = served_by(hosts, known, problems)
    wanted = {host.name: (*host.roles, *implied_roles(host, served[host.name])) for host in hosts}
    check_known(only, wanted)
    assignments = []
    for host in hosts:
        roles = roles_of(host, wanted[host.name], known, problems)
        if host.platform:
            # of a role, a platform takes what a server's parameters say of its program
            servers = {app.server: known.role(app.server) for app in served[host.name].apps}
            roles = [role for role in servers.values() if role is not None]
        pairs = []
        for role in roles:
            with problems.gathered():
                pairs.append((role, params_for(role, host, served[host.name].apps)))
        run = tuple(pair for pair in pairs if not host.platform and (not only or pair[0].name in only))
        params = {role.name: params for role, params in pairs if params is not None}
        assignments.append(Assignment(host, run, params, served[host.name]))
    problems.raise_any()
    return assignments


def check_variables(hosts: Sequence[InventoryHost], known: KnownRoles, problems: Problems) -> None:
    """Add an error for each misspelt name of a variable."""
    variables = VariableNames(known.folders, hosts[0].prefix if hosts else "")
    for host in hosts:
        for error in variables.wrong(host, strict=host.inventory.strict):
            problems.add(error)


def check_instances(hosts: Sequence[InventoryHost], problems: Problems) -> None:
    """Add the errors in the blocks `ec2` of hosts that are instances."""
    for host in hosts:
        if host.connection.kind == "ec2":
            # imported here: few hosts are instances
            from provision.inventory.ec2_block import instance_spec

            with problems.gathered():
                instance_spec(host)


# -- applications


def served_by(hosts: Sequence[InventoryHost], known: KnownRoles, problems: Problems) -> dict[str, ServedApps]:
    """Return what each host serves, by the host's name. Errors are added to the problems."""
    serving = [
        host
        for host in hosts
        if host.named("apps") in host.vars
        or host.named("balance") in host.vars
        or known.is_backing(host.roles)
    ]
    found = {host.name: ServedApps() for host in hosts}
    if serving:
        # here, as it brings the models of applications
        from provision.apps.fleet import Fleet

        fleet = Fleet(serving[0].inventory, known.environment)
        for host in serving:
            with problems.gathered():
                apps = fleet.apps(host)
                found[host.name] = ServedApps(
                    apps,
                    fleet.balanced(host),
                    fleet.balancers(host) if apps else (),
                    fleet.leads(host),
                    fleet.provided(host),
                )
                # what its applications use is checked, too
                for binding in (each for app in apps for each in app.bindings):
                    fleet.provided(binding.provider)
    return found


def implied_roles(host: InventoryHost, served: ServedApps) -> tuple[str, ...]:
    """Return the roles that a host's applications bring by `server`, `front` and `tls`, and those that it
    balances, besides the listed ones: changing one takes one line.

    Applications do so only if the role `app` is listed: projects without it may use the variable `apps`
    otherwise.
    """
    own = served.apps if "app" in host.roles else ()
    named: list[str] = [name for app in own for name in (app.server, app.front)]
    named += [balanced.balance.front for balanced in served.balanced]
    if any(app.tls != "none" for app in (*own, *(balanced.app for balanced in served.balanced))):
        named.append("tls")
    return tuple(name for name in dict.fromkeys(named) if name not in host.roles)


# -- roles


class KnownRoles:
    """Roles by their names, each found once. folders: where they are looked for."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = folders
        self._found: dict[str, Role | None] = {}

    def role(self, name: str) -> Role | None:
        """Return the role of that name, or None. Raises ConfigError if its module can't be imported."""
        if name not in self._found:
            self._found[name] = find(name, self.folders)
        return self._found[name]

    def is_backing(self, roles: Sequence[str]) -> bool:
        """Return whether one of these provides something to applications.

        A role that declares itself wrongly is refused when it is found.
        """
        for name in roles:
            with contextlib.suppress(ConfigError):
                if backing_roles.backing_role(name, self.folders) is not None:
                    return True
        return False

    def environment(self, name: str) -> Callable[..., Mapping[str, str | Secret]]:
        """Return the function by which a role says how applications find it. Raises ConfigError."""
        role = self.role(name)
        assert role is not None and role.environment is not None  # its declaration has been read
        return role.environment

    def names(self) -> list[str]:
        """Return the names of all roles that there are."""
        return names(self.folders)


def check_known(only: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> None:
    """Raise ConfigError for the first role that no host has. wanted: the roles of each host."""
    listed = sorted({role for roles in wanted.values() for role in roles})
    for name in only:
        if name not in listed:
            raise ConfigError(
                f"no selected host has the role {name!r}.{suggestion(name, listed)}",
                hint=f"They have: {', '.join(listed) or 'no roles'}",
            )


def roles_of(host: InventoryHost, wanted: Sequence[str], known: KnownRoles, problems: Problems) -> list[Role]:
    """Return a host's roles in the order in which they run. Errors are added to the problems."""
    found = []
    for index, name in enumerate(wanted):
        role = known.role(name)
        if role is None:
            every = known.names()
            message = f"there is no role {name!r}.{suggestion(name, every)}"
            problems.add(host.error(("roles", index), message, f"There are: {', '.join(every)}"))
            continue
        found.append(role)
    for role in found:
        for needed in role.requires:
            if needed not in wanted:
                at = ("roles", wanted.index(role.name))
                problems.add(host.error(at, f"role {role.name!r} needs the role {needed!r}"))
    return in_order(found)


def in_order(roles: Sequence[Role]) -> list[Role]:
    """Return roles as listed, but each after those that it names in AFTER, fronts after servers, and `app`
    after what applications use.

    Raises ConfigError for a circle.
    """
    done: dict[str, Role] = {}
    by_name = {role.name: role for role in roles}

    def put(role: Role, path: tuple[str, ...]) -> None:
        if role.name in path:
            raise ConfigError(f"roles wait for one another: {' -> '.join([*path, role.name])}")
        if role.name in done:
            return
        # an instance must exist before a front uses it
        servers = [each.name for each in roles if each.server] if role.front else []
        used = [each.name for each in roles if each.environment] if role.name == "app" else []
        for earlier in (*role.after, *servers, *used):
            if earlier in by_name:
                put(by_name[earlier], (*path, role.name))
        done[role.name] = role

    for role in roles:
        put(role, ())
    return list(done.values())


def params_for(role: Role, host: InventoryHost, apps: Sequence[Application]) -> Params | None:
    """Return the role's parameters from the variable of its name. Raises ConfigErrors."""
    value = host.vars.get(host.named(role.name))
    if role.params is None:
        if isinstance(value, Mapping) and value:
            raise ConfigErrors([host.error((role.name,), f"role {role.name!r} takes no parameters")])
        return None
    found = validate(role.params, {} if value is None else value, host, (role.name,))
    if role.server is not None:
        apps = [app for app in apps if app.server == role.name]
    misfits = [host.error((role.name, parameter), why) for parameter, why in found.misfits(apps)]
    if misfits:
        raise ConfigErrors(misfits)
    return found
