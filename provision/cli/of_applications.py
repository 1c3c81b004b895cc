"""What commands share that concern applications on several hosts: TARGET [APP]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.options import F, on_several, target_argument
from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.inventory import InventoryHost


def target_and_app(command: F) -> F:
    """TARGET and its options, then APP, which may be missing: the only one of a host, or all."""
    return target_argument(on_several(click.argument("app", required=False, default="")(command)))


def served_apps(hosts: Sequence[InventoryHost], name: str = "") -> dict[str, list[Application]]:
    """Return the applications of each host, by the host's name. Raises UsageError, ConfigErrors.

    name: only this one; each host must have it.
    """
    from provision.declared.role_folders import search_path
    from provision.inventory import Problems
    from provision.roles.project import KnownRoles, served_by

    problems = Problems()
    served = served_by(hosts, KnownRoles(search_path(hosts[0].inventory.project)), problems)
    problems.raise_any()
    if name:
        return {host: [named(name, host, found.apps)] for host, found in served.items()}
    if not any(found.apps for found in served.values()):
        names = ", ".join(host.name for host in hosts)
        raise UsageError(
            f"no applications are declared for {names}",
            hint="An application is a key of `apps` in the inventory.",
        )
    return {host: list(found.apps) for host, found in served.items()}


def named(name: str, host: str, found: Sequence[Application]) -> Application:
    """Return the application of that name. Raises UsageError. found: those of the host."""
    from provision.names import suggestion

    apps = {app.name: app for app in found}
    if name not in apps:
        there = f" It has {', '.join(apps)}." if apps else " It has none."
        raise UsageError(
            f"{host} has no application {name!r}.{suggestion(name, apps) or there}",
            hint="An application is a key of `apps` in the inventory.",
        )
    return apps[name]
