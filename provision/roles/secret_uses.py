"""Which secrets the inventory has, where they are kept, and what uses them. Nothing is opened or fetched for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from provision.declared.role_folders import search_path
from provision.inventory import InventoryHost, Problems
from provision.inventory.connection_settings import NAMES
from provision.inventory.kinds import Kinds
from provision.inventory.located import Located, dotted
from provision.inventory.masking import masked
from provision.inventory.sealed_variables import PARTS_OF_APPS
from provision.inventory.template_text import is_template
from provision.inventory.yaml_values import Encrypted, Reference
from provision.roles.shown_variables import kinds_of
from provision.roles.variable_names import OF_HOSTS, words_below
from provision.secrets import MASK
from provision.values import dataclass
from provision.vault.references import said

YamlPath = tuple[str | int, ...]


@dataclass
class InventorySecret:
    """A secret of the inventory. name: its path in the variables.

    storage: how it is kept: "vault", "env TOKEN", "plain text".
    where: its file and line.  hosts: those that have it.  users: what uses it; empty if nothing does.
    """

    name: str
    storage: str
    where: str
    hosts: list[str]
    users: list[str]


def inventory_secrets(hosts: Sequence[InventoryHost], problems: Problems) -> list[InventorySecret]:
    """Return the secrets of hosts, in the order of their variables; those of a group once.

    Hosts with an encrypted file that can't be opened are left out, with an error in the problems.
    """
    found: dict[tuple[str, str], InventorySecret] = {}
    readable = []
    for host in hosts:
        with problems.gathered():
            len(host.located)
            readable.append(host)
    uses = Uses(readable)
    for host in readable:
        kinds = kinds_of(host)
        with problems.gathered():
            for variable, part in host.located.items():
                for path, storage, origin in secrets_below(variable, part, kinds):
                    name = dotted(path)
                    entry = found.setdefault((name, origin), InventorySecret(name, storage, origin, [], []))
                    entry.hosts.append(host.name)
                    entry.users += [user for user in uses.of(host, path) if user not in entry.users]
    return list(found.values())


def secrets_below(variable: str, part: Located, kinds: Kinds) -> Iterator[tuple[YamlPath, str, str]]:
    """Yield the path, the way it is kept, and the line of each secret in a variable."""
    hidden = masked({variable: part.value}, kinds, sealed=part.sealed)[variable]

    def walk(part: Located, hidden: Any, path: YamlPath) -> Iterator[tuple[YamlPath, str, str]]:
        if part.parts and hidden != MASK:
            for key, inner in part.parts.items():
                shown = hidden[int(key)] if isinstance(hidden, list) else hidden.get(str(key))
                yield from walk(inner, shown, (*path, key))
        elif hidden == MASK:
            yield path, storage_of(part), str(part.origin)

    yield from walk(part, hidden, (variable,))


def storage_of(part: Located) -> str:
    """Return how a secret is kept."""
    value = part.value
    if isinstance(value, Reference):
        return said(value.wanted)
    if isinstance(value, Encrypted):
        return "vault"
    if part.sealed:
        return "vault file"
    return "template" if is_template(value) else "plain text"


class Uses:
    """What uses the variables of these hosts."""

    def __init__(self, hosts: Sequence[InventoryHost]) -> None:
        self._folders = search_path(hosts[0].inventory.project if hosts else None)
        self._words: dict[str, frozenset[str]] = {}
        #: word -> the variables whose templates have it
        self._templates: dict[str, set[str]] = {}
        for host in hosts:
            for name, part in host.located.items():
                for word in words_in(part.value):
                    self._templates.setdefault(word, set()).add(name)

    def of(self, host: InventoryHost, path: YamlPath, seen: frozenset[str] = frozenset()) -> list[str]:
        """Return what uses a part of a host's variables: the connection, applications, roles."""
        name = str(path[0])
        meant = host.meant(name)
        found = []
        if name in NAMES or name.startswith("ansible_"):
            found.append("connection")
        elif meant in ("apps", *PARTS_OF_APPS):
            found.append(f"application {path[1]}" if len(path) > 1 else "applications")
        elif meant in OF_HOSTS:
            found.append(meant)
        found += [f"role {role}" for role in host.roles if role == meant or name in self._words_of(role)]
        for other in sorted(self._templates.get(name, set()) - seen - {name}):
            # an application or a role may take it in a larger value
            places: list[YamlPath] = [(other, part) for part in parts_with(host, other, name)]
            found += [
                each for place in places or [(other,)] for each in self.of(host, place, seen | {name, other})
            ]
        return list(dict.fromkeys(found))

    def _words_of(self, role: str) -> frozenset[str]:
        """Return the words in the files of a role."""
        if role not in self._words:
            folder = next((each / role for each in self._folders if (each / role).is_dir()), Path())
            self._words[role] = frozenset(words_below(folder) if folder.name else ())
        return self._words[role]


def parts_with(host: InventoryHost, variable: str, word: str) -> Iterator[str | int]:
    """Yield the keys of a variable whose templates have a word."""
    located = host.located.get(variable)
    value = located and located.value
    for key, part in value.items() if isinstance(value, Mapping) else ():
        if word in words_in(part):
            yield key


def words_in(value: Any) -> set[str]:
    """Return the words in the templates of a value."""
    if isinstance(value, Mapping):
        return {word for part in value.values() for word in words_in(part)}
    if isinstance(value, list):
        return {word for part in value for word in words_in(part)}
    return set(re.findall(r"\w+", value)) if isinstance(value, str) and "{" in value else set()
