"""The variables of a host as they may be shown, by the types that validate them."""

from __future__ import annotations

from typing import Any

from provision.declared.role_folders import names, search_path
from provision.errors import ConfigError
from provision.inventory import InventoryHost
from provision.inventory.kinds import Kinds
from provision.inventory.masking import masked, secrets_of
from provision.inventory.sealed_variables import PARTS_OF_APPS
from provision.roles.role_model import find
from provision.secrets import Secret


def kinds_of(host: InventoryHost) -> Kinds:
    """Return the known types of a host's variables: applications, and parameters of roles.

    Roles that the host does not have are included.
    """
    found: dict[str, Any] = {}
    of_apps = {host.named(name) for name in ("apps", *PARTS_OF_APPS)}.intersection(host.located)
    if of_apps:
        from provision.apps.app_model import App

        found |= dict.fromkeys(of_apps, dict[str, App])
    folders = search_path()
    for name in names(folders):
        variable = host.named(name)
        if variable not in host.located:
            continue
        try:
            role = find(name, folders)
        except ConfigError:
            # a role that can't be imported: its secrets are unknown
            found[variable] = Secret
            continue
        if role is not None and role.params is not None:
            found[variable] = role.params
    return Kinds(found)


def shown_vars(host: InventoryHost) -> dict[str, Any]:
    """The variables as JSON can hold them, without secrets."""
    kinds = kinds_of(host)
    return {
        name: masked({name: value}, kinds, sealed=host.located[name].sealed)[name]
        for name, value in host.vars.to_show().items()
    }


def shown_value(host: InventoryHost, name: str, value: Any, *, sealed: bool) -> Any:
    """A value of one variable as JSON can hold it, without secrets. sealed: it is from an encrypted file."""
    return masked({name: value}, kinds_of(host), sealed=sealed)[name]


def secrets_in(host: InventoryHost) -> list[str]:
    """Every secret in the variables, in order; of vaults and templates, those that have been used."""
    kinds = kinds_of(host)
    return [
        text
        for name, value in host.vars.used().items()
        for text in secrets_of({name: value}, kinds, sealed=host.located[name].sealed)
    ]
