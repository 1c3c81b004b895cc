"""Roles that provide what applications use, such as databases.

REACHED_BY = ("socket", "certificate")    how applications reach it: on its own host, and from other hosts

A module with REACHED_BY also has a function `environment(binding, packages) -> dict` (provision.apps.bindings).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from provision.declared.constants import declared, refusal, source_of, words
from provision.errors import ConfigError
from provision.names import suggestion
from provision.values import dataclass

#: by a socket of the host that both are on; over TLS, with a certificate for each side; by a password
WAYS = ("socket", "certificate", "password")
FUNCTION = "environment"


@dataclass(frozen=True)
class BackingRole:
    """What the role of a service declares. file: of its module."""

    name: str
    file: str
    reached_by: tuple[str, ...]


def backing_role(name: str, folders: Sequence[Path]) -> BackingRole | None:
    """The role of that name; None if there is none, or it provides nothing to applications.

    Raises ConfigError, with file and line, if the role declares itself wrongly.
    """
    source = source_of(name, folders)
    ways = source.get("REACHED_BY") if source else None
    if source is None or ways is None:
        return None
    known = words(ways, example=WAYS[:1])
    for word in known:
        if word not in WAYS:
            message = f"REACHED_BY: {word!r} is not one of {', '.join(WAYS)}.{suggestion(word, WAYS)}"
            raise ConfigError(message, where=ways.where)
    if source.where(FUNCTION) is None:
        raise ConfigError(
            f"role {name!r} has REACHED_BY, but no function `{FUNCTION}`",
            where=ways.where,
            hint=f"Write:  def {FUNCTION}(binding: Binding, packages: Collection[str]) -> dict[str, str]",
        )
    return BackingRole(name, source.file, known)


def named(name: str, folders: Sequence[Path]) -> BackingRole:
    """The role that an application uses. Raises ValueError if none has that name, and ConfigError as `backing_role`."""
    found = backing_role(name, folders)
    if found is not None:
        return found
    known = [each.name for each in backing_roles(folders)]
    raise refusal(name, folders, lacks="REACHED_BY", so="applications cannot use it", known=known)


def backing_roles(folders: Sequence[Path]) -> list[BackingRole]:
    """Every such role, by name; roles that declare themselves wrongly are left out."""
    return declared("REACHED_BY", folders, backing_role)
