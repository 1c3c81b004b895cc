"""Which values are secrets by their name or look, and how variables are shown without them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from provision.inventory.values import Encrypted
from provision.secrets import MASK, Secret

WORDS = {"pass", "passwd", "password", "passphrase", "secret", "token", "apikey", "credential"}
KEYS = re.compile(r"(api|access|private|secret|signing|encryption)_key$")
NO_SECRET = ("_file", "_path", "_dir")  # they say where a secret is, not what it is
LOGIN_IN_URL = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]+(?=@)")  # postgres://user:password@host


def names_a_secret(name: str) -> bool:
    """Whether a value of this name had better not be shown: db_password, SECRET_KEY, api-token."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower())
    if plain.endswith(NO_SECRET):
        return False
    return bool(WORDS.intersection(word.removesuffix("s") for word in plain.split("_"))) or bool(
        KEYS.search(plain)
    )


def is_secret(name: str, value: str) -> bool:
    """Whether the value is one by its name, or by a login in a URL."""
    return names_a_secret(name) or bool(LOGIN_IN_URL.search(value))


def secrets_of(value: Any, name: str = "") -> Iterator[str]:
    """Every text in the value that `masked` would hide, in order."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from secrets_of(part, str(key))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from secrets_of(part, name)
    elif isinstance(value, Secret):
        yield value.reveal()
    elif value is not None and names_a_secret(name):
        yield str(value)
    elif isinstance(value, str):
        yield from LOGIN_IN_URL.findall(value)


def masked(value: Any, name: str = "") -> Any:
    """The value as JSON can hold it, with every secret in it replaced by ********."""
    if isinstance(value, dict):
        return {str(key): masked(part, str(key)) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(part, name) for part in value]
    if isinstance(value, (Secret, Encrypted)) or (value is not None and names_a_secret(name)):
        return MASK
    if isinstance(value, str):
        return LOGIN_IN_URL.sub(MASK, value)
    return str(value) if isinstance(value, (date, bytes)) else value
