"""The inventory: hosts and groups, with final variables that know where they were written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any

from provision.errors import UsageError
from provision.inventory import target as targets
from provision.inventory.ansible_cfg import AnsibleCfg
from provision.inventory.connection_settings import (
    CANT_REACH,
    ConnectionSettings,
    connection_settings,
)
from provision.inventory.host_variables import HostVariables
from provision.inventory.own_names import HINT
from provision.inventory.platform_names import PLATFORM, is_own_variable, wrong_platform
from provision.inventory.problems import Problems
from provision.inventory.resolved_variables import ResolvedVariables, Templates
from provision.inventory.sealed_variables import Layer
from provision.inventory.source_files import without_hosts
from provision.inventory.unresolved import UnresolvedGroup
from provision.inventory.yaml_values import revealed, shown
from provision.values import dataclass


@dataclass(frozen=True, eq=False)
class InventoryHost(HostVariables):
    """A host of the inventory, with its connection and roles.

    layers: returns its variables from each place, the weaker ones first.
    """

    layers: Callable[[], Sequence[Layer]] = field(default=tuple, repr=False)

    #: the inventory that it belongs to, which sets this
    inventory: Inventory = field(init=False, repr=False)

    @cached_property
    def vars(self) -> ResolvedVariables:
        """The final variables as plain Python values; passwords of the connection, and values of vaults, are
        Secrets.

        Templates are worked out, and vaults opened, as they are read, which raises ConfigErrors if that fails.
        """
        return ResolvedVariables(self, self.inventory.templates)

    @cached_property
    def connection(self) -> ConnectionSettings:
        """Return how to reach the host. Raises ConfigErrors with every error in its ansible_* variables."""
        return connection_settings(self, self.vars, self.inventory.settings.variables)

    @cached_property
    def platform(self) -> str:
        """Return the platform of a target that is not a host; "" for hosts. Raises ConfigError for an unknown one."""
        name = self.named(PLATFORM)
        if name not in self.located:
            return ""
        value = revealed(self.vars.get(name))
        if name == PLATFORM and is_own_variable(value, self.located):
            return ""
        wrong = wrong_platform(value)
        if wrong:
            hint = "A host has no `platform`: prov reaches it over SSH."
            raise self.error((PLATFORM,), wrong, hint)
        return str(value)

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """Return the list in the variable `roles` (see `named`). Raises ConfigErrors if it is not a list of names."""
        value = revealed(self.vars.get(self.named("roles")))
        if value is None:
            return ()
        problems = Problems()
        if not isinstance(value, list):
            hint = f"Write it as a list: {self.named('roles')}: [{value}]" if isinstance(value, str) else ""
            hint = hint or HINT.format(name="roles")
            problems.add(self.error(("roles",), f"must be a list of role names, not {shown(value)}", hint))
            problems.raise_any()
        for index, role in enumerate(value):
            if not isinstance(role, str):
                problems.add(self.error(("roles", index), f"must be the name of a role, not {shown(role)}"))
            elif role in value[:index]:
                problems.add(self.error(("roles", index), f"{role!r} is listed twice"))
        problems.raise_any()
        return tuple(value)


@dataclass(frozen=True, eq=False)
class Inventory:
    """Every host and group, in the order in which the inventory names them.

    project: the folder whose roles/ they mean; None is the process's own folder.
    sources: the files and folders that list hosts.
    read_from: these and those of their variables: no part of an application's source, as passwords may be in them.
    strict: whether variables that nothing reads are refused.  lookups: those that templates may use on request.
    settings: of ansible.cfg.  hooks: the project's pyproject.toml and its table of hooks; None without one.
    refs: branches, tags or commits that the command line asks for, by application; "" for all from git.
    """

    hosts: Mapping[str, InventoryHost]
    groups: Mapping[str, UnresolvedGroup]
    project: Path | None = None
    sources: tuple[Path, ...] = ()
    read_from: frozenset[Path] = frozenset()
    strict: bool = False
    lookups: tuple[str, ...] = ()
    settings: AnsibleCfg = AnsibleCfg()
    hooks: tuple[Path, Any] | None = None
    refs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for host in self.hosts.values():
            object.__setattr__(host, "inventory", self)

    @cached_property
    def templates(self) -> Templates:
        """What works out the templates in variables."""
        return Templates(self.hosts, self.groups, self.project or Path.cwd(), self.lookups)

    @cached_property
    def notices(self) -> list[str]:
        """What users may want to know of the inventory; a run takes each out and says it once."""
        unread = self.settings.unread
        found = [f"prov does not read these settings: {', '.join(unread)}"] if unread else []
        if self.refs:
            found.append(
                "--release is for this run: the next one without it goes by the inventory's `ref` again"
            )
        return found

    def select(self, target: str, limit: str | None = None) -> list[InventoryHost]:
        """Return the hosts of a TARGET (see docs/inventory.md), in inventory order, each once.

        limit: another TARGET; only hosts that are in both are left.
        Raises UsageError: an unknown name, or no host left.
        """
        if not self.hosts:
            hint = without_hosts(self.sources, self.project or Path.cwd(), self.settings)
            raise UsageError("the inventory has no hosts", hint=hint)
        chosen = targets.select(self, target, limit)
        return [host for name, host in self.hosts.items() if name in chosen]


def check(hosts: Iterable[InventoryHost], *, reach: bool = True) -> None:
    """Raise ConfigErrors with every error in the connections and lists of roles of the hosts.

    reach: whether prov is to connect to them.
    """
    problems = Problems()
    for host in hosts:
        with problems.gathered():
            connection = host.connection
            if host.platform:
                refuse_as_host(host, reach=reach)
            elif reach and connection.kind == "other":
                message = f"prov can't connect by {connection.plugin!r}"
                problems.add(host.error(("ansible_connection",), message, CANT_REACH))
        with problems.gathered():
            host.roles  # noqa: B018
    problems.raise_any()


def refuse_as_host(host: InventoryHost, *, reach: bool) -> None:
    """Raise ConfigErrors for what a target on a platform can't have. reach: whether prov is to log in to it."""
    problems = Problems()
    if reach:
        message = f"is on the platform {host.platform}, and not a host that prov logs in to"
        hint = f"`prov {host.platform}` has its commands. Leave it out of the hosts:  TARGET,!{host.name}"
        problems.add(host.error((PLATFORM,), message, hint))
    if host.roles:
        message = f"roles change hosts, and {host.name} is on the platform {host.platform}"
        problems.add(
            host.error(("roles",), message, f"Set `roles: []` for {host.name}: its `apps` say it all.")
        )
    problems.raise_any()


def without_errors(
    hosts: Iterable[InventoryHost], problems: Problems, *, platforms: bool = False
) -> list[InventoryHost]:
    """Return the hosts in whose connections and lists of roles `check` finds no error; add the others' errors.

    platforms: whether targets on platforms may be among them.
    """
    found = []
    for host in hosts:
        with problems.gathered():
            check([host], reach=not (platforms and host.platform))
            found.append(host)
    return found
