"""From a TARGET to hosts and their roles: every check that needs no connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from provision.errors import UsageError
from provision.report.screen import say
from provision.values import dataclass

if TYPE_CHECKING:
    from provision.inventory import InventoryHost
    from provision.roles.project import Assignment


@dataclass(frozen=True)
class Scope:
    """The hosts that the command line selects, and how many run at a time. See the options' help."""

    target: str
    inventory: Sequence[str] = ()
    limit: str | None = None
    forks: int = 20


def select(scope: Scope) -> list[InventoryHost]:
    """Return the hosts of a scope. Raises UsageError, and ConfigErrors if their connection settings are
    invalid."""
    hosts = meant(scope)
    check_hosts(hosts)
    return hosts


def select_targets(scope: Scope) -> tuple[list[InventoryHost], bool]:
    """Return the hosts of a scope, and whether all of them are targets on platforms. Hosts are checked as by select;
    raises as that."""
    hosts = meant(scope)
    on_platforms = all_on_platforms(hosts)
    if not on_platforms:
        check_hosts(hosts)
    return hosts, on_platforms


def all_on_platforms(hosts: Sequence[InventoryHost]) -> bool:
    """Return whether all of these are targets on platforms."""
    return all(host.platform for host in hosts)


def check_hosts(hosts: Sequence[InventoryHost]) -> None:
    """Raise ConfigErrors if a connection setting is invalid, or a target is on a platform: with what to do there
    instead of the running command."""
    from provision.inventory.loaded import check

    refuse_platforms(hosts)
    check(hosts)


def refuse_platforms(hosts: Sequence[InventoryHost]) -> None:
    """Raise ConfigError for a target on a platform that has something else for the running command."""
    for host in hosts:
        if host.platform:
            from provision.platforms.platform_model import find

            context = click.get_current_context(silent=True)
            command = str(context.info_name) if context else ""
            if hint := find(host.platform).instead(host, command):
                message = f"is on the platform {host.platform}, where prov {command} does nothing"
                raise host.error(("platform",), message, hint)


def meant(scope: Scope, refs: Mapping[str, str] | None = None) -> list[InventoryHost]:
    """The hosts of a scope, not checked yet. Raises UsageError, and ConfigErrors for inventories that can't
    be read.

    refs: as of `assigned`.
    """
    from provision.inventory import load

    inventory = load(scope.inventory or None)
    return (replace(inventory, refs=refs) if refs else inventory).select(scope.target, scope.limit)


def select_one(inventory: Sequence[str], target: str, *, reach: bool = True) -> InventoryHost:
    """Return the only host of a target. Raises UsageError if the target has several.

    reach: whether prov is to connect to it, so that its connection and roles must hold.
    """
    scope = Scope(target, inventory)
    hosts = select(scope) if reach else meant(scope)
    if len(hosts) > 1:
        names = ", ".join(host.name for host in hosts[:5])
        raise UsageError(f"{target!r} matches {len(hosts)} hosts, expected one: {names}, ...")
    return hosts[0]


@dataclass(frozen=True)
class RolePart:
    """The selected part of the hosts' roles; all of them by default. See the options' help."""

    roles: Sequence[str] = ()
    tags: Sequence[str] = ()
    skip_tags: Sequence[str] = ()
    start_at: str = ""


def assigned(
    scope: Scope,
    part: RolePart,
    begin: Callable[[Sequence[InventoryHost]], None] = lambda hosts: None,
    refs: Mapping[str, str] | None = None,
    hosts: Sequence[InventoryHost] | None = None,
) -> list[Assignment]:
    """Return the hosts of a scope with their assignments. Raises ConfigErrors with every error, and UsageError.

    begin: called with the hosts as soon as their addresses are known.
    refs: branches, tags or commits in place of the inventory's, by application; "" for all from git.
    hosts: those of the scope, if they are known.
    """
    from provision.inventory import Problems
    from provision.inventory.loaded import without_errors

    hosts = meant(scope, refs) if hosts is None else hosts
    refuse_platforms(hosts)
    problems = Problems()
    sound = without_errors(hosts, problems)
    if len(sound) == len(hosts):
        begin(sound)
    # imported here: it brings pydantic
    from provision.roles.project import resolve
    from provision.run.selection import Selection

    found: list[Assignment] = []
    with problems.gathered():
        found = resolve([host for host in sound if host.roles], only=part.roles)
    problems.raise_any()
    if refs:
        from provision.cli.other_releases import check_releases

        check_releases(refs, found)
    tell_bare([host for host in hosts if not host.roles], of=len(hosts))
    found = [a for a in found if a.roles]
    left = Selection(part.tags, part.skip_tags, part.start_at).of(found)
    if len(left) < len(found):
        names = {a.host.name for a in left}
        without = ", ".join(a.host.name for a in found if a.host.name not in names)
        say(f"skipped, no matching tasks: {without}", err=True)
    return left


def tell_bare(hosts: Sequence[InventoryHost], *, of: int) -> None:
    """Name the hosts that have no roles. Raises UsageError if no host has any. of: number of all hosts."""
    names = ", ".join(host.name for host in hosts)
    if len(hosts) == of:
        serves = any(host.named("apps") in host.vars for host in hosts)
        roles = "[base, python, app], which deploys its apps" if serves else "[base, python]"
        raise UsageError(
            f"nothing to do: no roles are listed for {names}",
            hint=f"List some in the inventory, for the host or a group of it:  {hosts[0].named('roles')}: {roles}",
        )
    if hosts:
        say(f"skipped, no roles are listed: {names}", err=True)
