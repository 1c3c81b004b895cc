"""YAML values that are neither plain text nor numbers: `!vault` and `!unsafe`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provision.errors import ConfigError
from provision.secrets import MASK, Secret
from provision.vault.keyring import Keyring
from provision.vault.references import Fetched


class Deferred:
    """A secret that is read when it is first used, and once. where: its file and line."""

    TAG = ""

    def __init__(self, where: str) -> None:
        self.where = where
        #: the secret, once it has been read
        self.known: Secret | None = None
        self._lock = threading.Lock()

    def open(self) -> Secret:
        """Return the secret. Raises ConfigError."""
        with self._lock:
            if self.known is None:
                self.known = Secret(self.read())
            return self.known

    def read(self) -> str:
        """Read the text of the secret. Raises ConfigError."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.TAG


class Encrypted(Deferred):
    """A `!vault` value. envelope: what is written.  keyring: the passwords that may open it."""

    TAG = "!vault"

    def __init__(self, envelope: str, keyring: Keyring, where: str) -> None:
        super().__init__(where)
        self._envelope = envelope
        self._keyring = keyring

    def read(self) -> str:
        data = self._keyring.open(self._envelope.encode("utf-8", "surrogatepass"), self.where)
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ConfigError("what the vault contains is not UTF-8 text", where=self.where) from None


class Reference(Deferred):
    """A `!secret` value. wanted: what is written, checked.  folder: where its relative paths begin."""

    TAG = "!secret"

    def __init__(self, wanted: Mapping[str, Any], folder: Path, fetched: Fetched, where: str) -> None:
        super().__init__(where)
        self.wanted = wanted
        self._folder = folder
        self._fetched = fetched

    def read(self) -> str:
        return self._fetched.text(self.wanted, self._folder)


class Verbatim(str):
    """An `!unsafe` text: its braces are literal. (Ansible's "unsafe or raw strings".)"""

    __slots__ = ()


class SealedTemplate(str):
    """A template in a file that is encrypted as a whole: what it yields is a secret, and so is its text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


def revealed(value: Any) -> Any:
    """The value with the texts of its secrets, for settings that are not secret in themselves."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: revealed(part) for key, part in value.items()}
    return [revealed(part) for part in value] if isinstance(value, list) else value


class Written(str):
    """A text of an inventory file that an expression has passed on unchanged: it is trusted, as the file is."""

    __slots__ = ()


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
