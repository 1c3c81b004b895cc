"""What a bundle runs on its host: the deploy or plan of that host, with what the bundle carries (decision D27)."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provision.cli.converge import ConvergeOptions, execute
from provision.cli.main import entry
from provision.cli.options import Invocation
from provision.cli.prepare import RolePart, Scope
from provision.errors import ConfigError, Exit
from provision.report import formats

if TYPE_CHECKING:
    from provision.inventory import InventoryHost

#: where the host keeps the private authority that it makes in place of the controller's
AUTHORITY = "/var/lib/prov/authority"
#: readable by root alone
PRIVATE = 0o077


def begin(place: Path, options: str) -> None:
    """Run a bundle, and exit. place: where it is unpacked.  options: of its program, as JSON."""
    given = json.loads(options)

    def run(invocation: Invocation) -> Exit:
        invocation.out = formats.find("json" if given["json"] else formats.DEFAULT)
        with tempfile.TemporaryDirectory(prefix="prov-keys-", dir="/run") as keys:
            return deploy_bundled(place, given, invocation, Path(keys))

    entry(run)


def deploy_bundled(place: Path, given: Mapping[str, Any], invocation: Invocation, keys: Path) -> Exit:
    """Bring this host to the state that the bundle has of it; return the exit status. Raises ProvError."""
    from provision.bundles.carried_sources import take_over
    from provision.controller import project_commit
    from provision.roles.project import resolve

    about = json.loads((place / "host.json").read_text(encoding="utf-8"))
    secrets = secrets_given(place, about, given, keys)
    (assignment,) = resolve([host_of(about, place, secrets)])
    take_over(assignment.served.apps, place / "sources", about["commits"])
    project_commit.take(about["commit"])
    assert invocation.out is not None
    scope = Scope(about["name"], ())
    diff = True if given["diff"] else None
    order = ConvergeOptions(scope, RolePart(), invocation.out, diff, given["verbose"])
    return execute(order, [assignment], plan=given["check"])


def host_of(about: Mapping[str, Any], place: Path, secrets: Mapping[str, Any]) -> InventoryHost:
    """Return the host as this machine, in an inventory of its own."""
    from provision.bundles.carried_variables import located
    from provision.inventory import Inventory, InventoryHost, Origin, UnresolvedGroup
    from provision.inventory.located import Located
    from provision.vault.references import Fetched

    file, _, line = about["defined"].rpartition(":")
    here = Origin(file, int(line), place)
    fetched = Fetched()
    variables = {name: located(each, place, secrets, fetched) for name, each in about["variables"].items()}
    variables["ansible_connection"] = Located("local", here)
    if about["tls"]:
        variables["tls"] = with_own_authority(variables.get("tls"), here)
    # the first host of an application sees to its database
    hosts = {
        other: InventoryHost(other, (), here, {"apps": Located({app: {}}, here, {app: Located({}, here)})})
        for app, other in about["led_by"].items()
    }
    hosts[about["name"]] = InventoryHost(about["name"], tuple(about["groups"]), here, variables)
    names = dict.fromkeys(["all", "ungrouped", *about["groups"]])
    groups = {name: UnresolvedGroup(name, here, hosts=[about["name"]]) for name in names}
    inventory = Inventory(hosts, groups, project=place / "project", strict=about["strict"])
    return inventory.hosts[about["name"]]


def with_own_authority(tls: Any, here: Any) -> Any:
    """Return the parameters of the role `tls` with an authority on this host: the controller's stays where it is."""
    from provision.inventory.located import Located

    parts = {} if tls is None else {k: v for k, v in tls.parts.items() if k != "ca_passphrase"}
    parts["ca"] = Located(AUTHORITY, here)
    return Located({key: part.value for key, part in parts.items()}, here, parts)


def secrets_given(
    place: Path, about: Mapping[str, Any], given: Mapping[str, Any], keys: Path
) -> dict[str, Any]:
    """Return the secrets of a bundle: its own, opened, or those of a file. Raises ConfigError if some are missing.

    keys: an empty folder for private keys.
    """
    if about["sealed"]:
        found = in_sealed(place / "secrets.age", given["identity"])
    else:
        found = in_file(given["secrets"], about["secrets"])
        missing = [name for name in about["secrets"] if name not in found]
        if missing:
            raise ConfigError(
                f"the bundle was made without these secrets: {', '.join(missing)}",
                hint="Give them: --secrets FILE, which prov bundle --secrets FILE writes beside the bundle.",
            )
    for number, name in enumerate(key_names(about["variables"].values())):
        path = keys / f"{number}.key"
        path.write_text(found[name], encoding="ascii")
        found[name] = str(path)
    return found


def key_names(entries: Iterable[Any]) -> Iterable[str]:
    """Yield the names of the secrets that are files of private keys."""
    for entry_ in entries:
        if "key" in entry_:
            yield entry_["key"]
        yield from key_names(part for _, part in entry_.get("of", ()))


def in_file(file: str | None, wanted: list[str]) -> dict[str, Any]:
    """Return the secrets in a file: a JSON object. Raises ConfigError."""
    if file is None or not wanted:
        return {}
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as f:
            status = os.fstat(f.fileno())
            found = json.load(f)
    except OSError as error:
        raise ConfigError(f"secrets can't be read: {error.strerror}", where=file) from None
    except ValueError:
        raise ConfigError("expected a JSON object of names and secrets", where=file) from None
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & PRIVATE:
        raise ConfigError(
            "others can read or write this file of secrets",
            where=file,
            hint=f"chown root {file} && chmod 600 {file}, and change the secrets if others may have read them.",
        )
    if not isinstance(found, dict):
        raise ConfigError("expected a JSON object of names and secrets", where=file)
    return found


def in_sealed(path: Path, identity: str | None) -> dict[str, Any]:
    """Return the secrets that the bundle carries, encrypted for this host. Raises ConfigError."""
    from provision.vault.references import from_age

    wanted = {"age": str(path), **({"identity": identity} if identity else {})}
    found: dict[str, Any] = json.loads(from_age(wanted, path.parent))
    return found
