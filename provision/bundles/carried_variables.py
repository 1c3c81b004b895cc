"""The variables of a host as a bundle carries them: final values with their lines, and no secrets."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from provision.errors import ConfigError
from provision.inventory import InventoryHost, Origin
from provision.inventory.connection_settings import NAMES
from provision.inventory.located import Located, dotted
from provision.inventory.masking import masked
from provision.inventory.sealed_variables import PARTS_OF_APPS
from provision.inventory.template_text import is_template
from provision.inventory.yaml_values import Deferred, Reference, Verbatim
from provision.roles.secret_uses import YamlPath
from provision.roles.shown_variables import kinds_of
from provision.roles.worked_out import worked_out
from provision.secrets import MASK, Secret
from provision.values import dataclass
from provision.vault.references import Fetched, kind_of

#: variables that say how a controller reaches the host, or that have been worked out already
LEFT = {*PARTS_OF_APPS, "ec2"}
#: of the connection, this holds on the host too
STAYS = "ansible_python_interpreter"
#: secrets that the host itself can fetch, by the role of its instance
FETCHED_THERE = ("aws_secret", "aws_parameter")
TYPES: dict[str, Callable[[str], Any]] = {
    "bytes": base64.b64decode,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}


@dataclass
class CarriedVariables:
    """What a bundle has of a host's variables.

    variables: in JSON's types.  secrets: those that it lacks, by their paths, and what opens each.
    unreadable: variables that can't be worked out, with the reason.  fetches: whether the host asks AWS for some.
    """

    variables: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Callable[[], Any]] = field(default_factory=dict, repr=False)
    unreadable: dict[str, str] = field(default_factory=dict)
    fetches: bool = False


def carried(
    host: InventoryHost,
    is_read: Callable[[str], bool],
    files: Mapping[YamlPath, str],
    left: Collection[YamlPath] = (),
) -> CarriedVariables:
    """Return what a bundle carries. files: paths in the bundle, in place of paths of this machine.

    is_read: whether prov or a role reads a variable. What only templates use is not needed: they are worked out.
    left: parts that mean nothing on the host.
    """
    found, kinds = CarriedVariables(), kinds_of(host)

    def walk(value: Any, hidden: Any, path: YamlPath) -> dict[str, Any] | None:
        if path in left:
            return None
        at = str(host.origin(*path) or host.defined)
        if path in files:
            return {"at": at, "file": files[path]}
        if isinstance(value, Reference) and kind_of(value.wanted) in FETCHED_THERE:
            found.fetches = True
            return {"at": at, "fetch": dict(value.wanted)}
        if isinstance(value, dict) and hidden != MASK:
            parts = [
                (key, walk(part, hidden.get(str(key), MASK), (*path, key))) for key, part in value.items()
            ]
            return {"at": at, "of": [[key, part] for key, part in parts if part is not None]}
        if isinstance(value, (list, tuple)) and hidden != MASK:
            items = [walk(part, hidden[n], (*path, n)) for n, part in enumerate(value)]
            return {"at": at, "items": [item for item in items if item is not None]}
        if hidden == MASK or (isinstance(value, str) and hidden != value):
            found.secrets[dotted(path)] = lambda: opened(value)
            return {"at": at, "secret": dotted(path)}
        return {"at": at, **plain(value)}

    for name, part in host.located.items():
        of_connection = name != STAYS and (name in NAMES or name.startswith("ansible_"))
        if name in LEFT or of_connection or not is_read(name):
            continue
        try:
            value = worked_out(host, name)
        except ConfigError as error:
            found.unreadable[name] = error.message
            continue
        entry = walk(value, masked({name: value}, kinds, sealed=part.sealed)[name], (name,))
        if entry is not None:
            found.variables[name] = entry
    return found


def opened(value: Any) -> Any:
    """Return a secret in JSON's types. Raises ConfigError."""
    if isinstance(value, Deferred):
        value = value.open()
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {str(key): opened(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [opened(part) for part in value]
    return value


def plain(value: Any) -> dict[str, Any]:
    """Return a single value as JSON can hold it."""
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    return {"is": str(value) if isinstance(value, str) else value}


def located(entry: Mapping[str, Any], folder: Path, secrets: Mapping[str, Any], fetched: Fetched) -> Located:
    """Return a value that a bundle carries. folder: of the unpacked bundle.  secrets: those that it lacks."""
    file, _, line = entry["at"].rpartition(":")
    origin = Origin(file, int(line), folder)

    def inner(part: Mapping[str, Any]) -> Located:
        return located(part, folder, secrets, fetched)

    if "of" in entry:
        parts: dict[str | int, Located] = {key: inner(part) for key, part in entry["of"]}
        whole: Any = {key: part.value for key, part in parts.items()}
    elif "items" in entry:
        parts = dict(enumerate(map(inner, entry["items"])))
        whole = [part.value for part in parts.values()]
    elif "file" in entry:
        return Located(str(folder / entry["file"]), origin)
    elif "fetch" in entry:
        return Located(Reference(entry["fetch"], folder, fetched, str(origin)), origin, deferred=True)
    elif "secret" in entry:
        value = secrets[entry["secret"]]
        return Located(Secret(value) if isinstance(value, str) else value, origin, sealed=True)
    elif "key" in entry:
        return Located(secrets[entry["key"]], origin)
    else:
        (kind,) = entry.keys() - {"at"}
        value = TYPES[kind](entry[kind]) if kind in TYPES else entry[kind]
        return Located(Verbatim(value) if is_template(value) else value, origin)
    return Located(whole, origin, parts, deferred=any(part.deferred for part in parts.values()))
