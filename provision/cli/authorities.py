"""The private authority of the hosts that a command names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.cli.options import F, format_option, inventory_option, target_argument
from provision.cli.prepare import Scope, meant
from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.apps.authority import Authority


def target_and_inventory(command: F) -> F:
    """TARGET, -i and --format: for commands about the authority of hosts, which connect to none."""
    return target_argument(inventory_option(format_option(command)))


def authority_of(scope: Scope) -> Authority:
    """Return the private authority of a scope's hosts. Raises UsageError if they have several, and ConfigErrors."""
    # imported here: they bring pydantic
    from provision.declared.role_folders import search_path
    from provision.roles.project import KnownRoles, params_for

    hosts = meant(scope)
    role = KnownRoles(search_path(hosts[0].inventory.project)).role("tls")
    assert role is not None  # it is built in
    # the module that the line above has found
    from roles.tls import Tls

    found: dict[str, Authority] = {}
    for host in hosts:
        params = params_for(role, host, ())
        if isinstance(params, Tls):
            found.setdefault(params.ca, params.authority)
    if len(found) != 1:
        raise UsageError(
            f"these hosts have {len(found)} private CAs, expected one: {', '.join(sorted(found))}",
            hint="Name hosts with the same `tls: {ca: ...}`.",
        )
    return next(iter(found.values()))
