"""YAML values that are neither plain text nor numbers: `!vault` and `!unsafe`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Encrypted:
    """A `!vault` value. An inventory may contain it, unless prov needs the value."""

    def __repr__(self) -> str:
        return "!vault"


class Verbatim(str):
    """An `!unsafe` text: its braces are literal. (Ansible's "unsafe or raw strings".)"""

    __slots__ = ()


def unusable(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Each part of the value that prov cannot use, as (path, message, hint)."""
    if isinstance(value, Encrypted):
        yield path, "is encrypted, and vaults are not supported yet", ""
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from unusable(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from unusable(part, (*path, index))


def shown(value: Any) -> str:
    """A value as an error message quotes it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return repr(str(value)) if isinstance(value, str) else str(value)
