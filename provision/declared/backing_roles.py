"""Roles that provide what applications use, such as databases.

REACHED_BY = ("socket", "certificate", "password")    how applications reach it: on its own host, from other hosts,
                                          and from clients that can do neither
PORTS = (5432, 5432)                      first and last port for other hosts; each binding has the same one of these

A module with REACHED_BY also has a function `environment(binding, packages) -> dict` (provision.apps.bindings).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from provision.declared.constants import Constant, declared, refusal, source_of, words
from provision.errors import ConfigError
from provision.values import dataclass

#: by a socket of the host that both are on; from other hosts over TLS, with a certificate for each side; or with a
#: password, which between hosts goes over TLS
WAYS = ("socket", "certificate", "password")
FUNCTION = "environment"


@dataclass(frozen=True)
class BackingRole:
    """What the role of a service declares. file: of its module.  ports: first and last one for other hosts."""

    name: str
    file: str
    reached_by: tuple[str, ...]
    ports: tuple[int, int] = (0, 0)

    def port(self, name: str) -> int:
        """The port at which other hosts reach something of that name: always the same."""
        first, last = self.ports
        return first + zlib.crc32(name.encode()) % (last - first + 1)


def backing_role(name: str, folders: Sequence[Path]) -> BackingRole | None:
    """The role of that name; None if there is none, or it provides nothing to applications.

    Raises ConfigError, with file and line, if the role declares itself wrongly.
    """
    source = source_of(name, folders)
    ways = source.get("REACHED_BY") if source else None
    if source is None or ways is None:
        return None
    reached_by = words(ways, example=WAYS[:1], known=WAYS)
    if source.where(FUNCTION) is None:
        raise ConfigError(
            f"role {name!r} has REACHED_BY, but no function `{FUNCTION}`",
            where=ways.where,
            hint=f"Write:  def {FUNCTION}(binding: Binding, packages: Collection[str]) -> dict[str, str]",
        )
    own = source.get("PORTS")
    if own is None and set(reached_by) != {"socket"}:
        raise ConfigError(f"role {name!r} is reached by {reached_by[-1]}, but has no PORTS", where=ways.where)
    return BackingRole(name, source.file, reached_by, ports(own) if own else (0, 0))


def ports(constant: Constant) -> tuple[int, int]:
    """The first and the last port in a constant. Raises ConfigError."""
    value = constant.value
    if (
        isinstance(value, tuple)
        and [type(number) for number in value] == [int, int]
        and 0 < value[0] <= value[1] < 65536
    ):
        return value[0], value[1]
    message = (
        f"PORTS must be the first and the last of them, such as (5432, 5432), written out, not {value!r}"
    )
    raise ConfigError(message, where=constant.where)


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
