"""Which values of the inventory are secrets, and how the others are shown.

The type of a value decides (kinds.py); its name and form decide only for values without a type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from provision.inventory.yaml_values import Deferred, SealedTemplate
from provision.secrets import MASK, Secret, logins, without_logins

if TYPE_CHECKING:
    from provision.inventory.kinds import Kind

WORDS = {
    "apikey", "bearer", "cred", "credential", "dsn", "fernet", "jwt", "passphrase", "pat", "pepper", "pwd", "salt",
    "secret", "token",
}  # fmt: skip
#: db_pass, PGPASSWORD, userpass; not bypass, compass, passenger
PASS = re.compile(r"(?<!by)(?<!com)pass(?!enger|age|ive|port|through|ing)")
KEYS = re.compile(r"_keys?(_(id|old|new|\d+))?$")
NO_KEYS = re.compile(r"(public|authorized|known|host|primary|foreign|sort|cache)_keys?$")
NO_SECRET = ("_file", "_path", "_dir")  # they say where a secret is, not what it is
#: the forms that tokens and private keys are issued in
ISSUED = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[opsur]_\w{16}|\bgithub_pat_\w|\bglpat-[\w-]|\b[rs]k_live_\w"
    r"|\bxox[abeprs]-|\bAKIA[A-Z0-9]{16}\b|\beyJ[\w-]+\.eyJ[\w-]+\."
)


def names_a_secret(name: str) -> bool:
    """Return whether the name is that of a secret: db_password, SECRET_KEY, api-token, PGPASSWORD."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if plain.endswith(NO_SECRET) or plain in ("pwd", "oldpwd"):
        return False
    words = plain.split("_")
    return (
        bool(WORDS.intersection(word.removesuffix("s") for word in words))
        or any(PASS.search(word) for word in words)
        or bool(KEYS.search(plain) and not NO_KEYS.search(plain))
        or plain.endswith(("dsn", "secret", "token", "pwd"))
    )


def is_secret(name: str, value: str) -> bool:
    """Return whether the value is a secret by its name, by a login in a URL, or by the form of its text."""
    return names_a_secret(name) or bool(logins(value)) or bool(ISSUED.search(value))


def secrets_of(value: Any, kind: Kind | None = None, *, sealed: bool = False) -> Iterator[str]:
    """Every text in the value that `masked` would hide, in order."""
    walk = Walk()
    walk.masked(value, "", kind, hide=sealed)
    yield from walk.found


def masked(value: Any, kind: Kind | None = None, *, sealed: bool = False) -> Any:
    """The value as JSON can hold it: ******** for every secret in it, and URLs without their logins.

    kind: the type that a value is validated against, if that is known.
    sealed: whether it was written in a file that is encrypted as a whole; then all of it is hidden.
    """
    return Walk().masked(value, "", kind, hide=sealed)


class Walk:
    """A walk through a value and its type. found: the secrets, in order."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def masked(self, value: Any, name: str, kind: Kind | None, *, hide: bool) -> Any:
        """The value without secrets. name: its key.  hide: it is a part of a secret."""
        if isinstance(value, dict):
            hide = hide or (kind is not None and kind.hides(value)) or self._by_name(name, kind, value)
            return {
                without_logins(str(key)): self.masked(part, str(key), kind and kind.part(key), hide=hide)
                for key, part in value.items()
            }
        if isinstance(value, (list, tuple)):
            hide = hide or (kind is not None and kind.hides(value))
            return [
                self.masked(part, name, kind and kind.part(index), hide=hide)
                for index, part in enumerate(value)
            ]
        if isinstance(value, Secret):
            self.found.append(value.reveal())
            return MASK
        if isinstance(value, SealedTemplate):
            return MASK
        if isinstance(value, Deferred):
            # one that nothing has opened can't be in any output
            self.found += [value.known.reveal()] if value.known is not None else []
            return MASK
        if value is None:
            return None
        if hide or (kind is not None and kind.hides(value)) or self._by_name(name, kind, value):
            # true and false tell nothing, and are words of every output
            self.found += [] if isinstance(value, bool) else [str(value)]
            return MASK
        if not isinstance(value, str):
            return str(value) if isinstance(value, (date, bytes)) else value
        self.found += logins(value)
        return without_logins(value)

    def _by_name(self, name: str, kind: Kind | None, value: Any) -> bool:
        """Return whether the name or form makes an untyped value a secret."""
        if isinstance(value, bool) or (kind is not None and kind.tells):
            return False
        if names_a_secret(name):
            return True
        # a login in a URL is removed separately
        return isinstance(value, str) and bool(ISSUED.search(without_logins(value)))
