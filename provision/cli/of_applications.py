"""What commands share that concern applications on several hosts: TARGET [APP]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.options import F, on_several, target_argument
from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.apps.renewals import Issuer
    from provision.inventory import InventoryHost
    from provision.roles.project import ServedApps


def target_and_app(command: F) -> F:
    """TARGET and its options, then APP, which may be missing: the only one of a host, or all."""
    return target_argument(on_several(click.argument("app", required=False, default="")(command)))


def served_apps(hosts: Sequence[InventoryHost], name: str = "") -> dict[str, list[Application]]:
    """Return the applications of each host, by the host's name. Raises UsageError, ConfigErrors.

    name: only this one; each host must have it.
    """
    served = served_of(hosts)
    if name:
        return {host: [named(name, host, found.apps)] for host, found in served.items()}
    if not any(found.apps for found in served.values()):
        raise no_applications(hosts)
    return {host: list(found.apps) for host, found in served.items()}


def served_of(hosts: Sequence[InventoryHost]) -> dict[str, ServedApps]:
    """Return what each host serves, by the host's name. Raises ConfigErrors."""
    from provision.declared.role_folders import search_path
    from provision.inventory import Problems
    from provision.roles.project import KnownRoles, served_by

    problems = Problems()
    served = served_by(hosts, KnownRoles(search_path(hosts[0].inventory.project)), problems)
    problems.raise_any()
    return served


def certified_apps(
    hosts: Sequence[InventoryHost], name: str = ""
) -> dict[str, dict[str, tuple[str, str, str]]]:
    """Return the certificates of each host, by the host's name: application -> where it is, a name that it is served
    for, and where the host remembers its renewals ("" if it renews none). Raises UsageError, ConfigErrors.

    name: only this application's.
    """
    from provision.apps.renewals import acme_state
    from provision.apps.tls import certificate_path
    from provision.serving.sites import server_name

    return {
        host: {
            app.name: (
                certificate_path(app),
                server_name(app),
                acme_state(app) if issuer == "acme" else "",
            )
            for app, issuer in found
        }
        for host, found in certificate_issuers(hosts, name).items()
    }


def certificate_issuers(
    hosts: Sequence[InventoryHost], name: str = ""
) -> dict[str, list[tuple[Application, Issuer]]]:
    """Return the applications of each host that have a certificate, and where it is from, by the host's name. Raises
    UsageError, ConfigErrors.

    One for applications that share their names.  name: only this application's.
    """
    from provision.apps.renewals import issuer_on

    found: dict[str, list[tuple[Application, Issuer]]] = {}
    for host, served in served_of(hosts).items():
        by_names: dict[frozenset[str], Application] = {}
        every = [*(each.app for each in served.balanced), *served.apps]
        for app in sorted(every, key=lambda app: app.name):
            if app.tls != "none" and name in ("", app.name):
                by_names.setdefault(frozenset(app.domains), app)
        inventory = next(each for each in hosts if each.name == host)
        found[host] = [(app, issuer_on(app, inventory, served.balancers)) for app in by_names.values()]
    if not any(found.values()):
        names = ", ".join(host.name for host in hosts)
        wanted = (
            f"no application {name!r} with a certificate is"
            if name
            else "no applications with certificates are"
        )
        raise UsageError(
            f"{wanted} declared for {names}", hint="See `apps` in the inventory: prov hosts HOST"
        )
    return found


def closable_apps(hosts: Sequence[InventoryHost], name: str = "") -> dict[str, list[Application]]:
    """Return the applications whose front is on each host, its own and those it balances, by the host's name.

    Raises UsageError, ConfigErrors.  name: only this one; each host must have it.
    """
    served = served_of(hosts)
    fronted = {host: [*(each.app for each in found.balanced), *found.apps] for host, found in served.items()}
    if name:
        return {host: [named(name, host, found)] for host, found in fronted.items()}
    if not any(fronted.values()):
        raise no_applications(hosts)
    return fronted


def no_applications(hosts: Sequence[InventoryHost]) -> UsageError:
    """Return the error that none of these hosts has an application."""
    return UsageError(
        f"no applications are declared for {', '.join(host.name for host in hosts)}",
        hint="An application is a key of `apps` in the inventory.",
    )


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
