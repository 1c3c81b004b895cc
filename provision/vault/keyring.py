"""The vault passwords of a run, and the secrets fetched in it: each is read with its first use, and once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from provision.errors import ConfigError, UsageError
from provision.vault.envelope import (
    DEFAULT_ID,
    DamagedEnvelope,
    Envelope,
    WrongPassword,
    decrypted,
    parsed,
)
from provision.vault.references import Fetched
from provision.vault.vault_sources import VaultSource, asked, password_of

GIVE_ONE = (
    "Give it with --vault-password-file FILE, --vault-id ID@FILE or --ask-vault-pass, or name a file in "
    'pyproject.toml under [tool.prov]: vault_password_file = "FILE".'
)
DAMAGED = "Restore it from version control, or encrypt the value again: prov vault encrypt-string"


class OpenedVault(NamedTuple):
    """What a vault contains. source: whose password fits.  vault_id: as its head says."""

    source: VaultSource
    vault_id: str
    text: bytes


class Keyring:
    """Sources of passwords, in the order in which they are tried.

    A source whose id an envelope names is tried first, then the others, as Ansible does.
    """

    def __init__(self, sources: Sequence[VaultSource] = ()) -> None:
        self.sources = tuple(dict.fromkeys(sources))
        self.fetched = Fetched()
        self._passwords: dict[VaultSource, bytes] = {}
        self._lock = threading.RLock()

    def open(self, data: bytes, where: str) -> bytes:
        """Return what an envelope contains. where: its file and line, for errors.

        Raises ConfigError: no password, none that fits, or a damaged envelope.
        """
        return self.opened(data, where).text

    def opened(self, data: bytes, where: str) -> OpenedVault:
        """Like `open`; also return the source whose password fits, and the id."""
        try:
            envelope = parsed(data)
            for source in self._likely(envelope.vault_id):
                try:
                    text = decrypted(envelope, self.password(source))
                    return OpenedVault(source, envelope.vault_id, text)
                except WrongPassword:
                    continue
        except DamagedEnvelope as error:
            raise ConfigError(f"the vault is damaged: {error}", where=where, hint=DAMAGED) from None
        raise self._refusal(envelope, where)

    def password(self, source: VaultSource) -> bytes:
        """Return the password of a source. Raises ConfigError."""
        with self._lock:
            if source not in self._passwords:
                self._passwords[source] = password_of(source)
            return self._passwords[source]

    def new_password(self, source: VaultSource) -> bytes:
        """Return the password of a source for what is encrypted now: one that is typed is typed twice.

        Raises ConfigError, and UsageError if the two differ.
        """
        with self._lock:
            if source.asks and source not in self._passwords:
                first = asked(source.vault_id, "New vault password")
                if asked(source.vault_id, "The same once more") != first:
                    raise UsageError("the two vault passwords differ", hint="Run the command again.")
                self._passwords[source] = first
        return self.password(source)

    def _likely(self, vault_id: str) -> list[VaultSource]:
        """Return the sources, those of this id first, and those that ask a person last."""
        return sorted(self.sources, key=lambda source: (source.vault_id != vault_id, source.asks))

    def _refusal(self, envelope: Envelope, where: str) -> ConfigError:
        """Return the error for an envelope that no password opens."""
        named = "" if envelope.vault_id == DEFAULT_ID else f" with the vault id {envelope.vault_id!r}"
        if not self.sources:
            return ConfigError(
                f"is encrypted{named}, and no vault password is given", where=where, hint=GIVE_ONE
            )
        ids = list(dict.fromkeys(source.vault_id for source in self.sources))
        if envelope.vault_id in ids:
            message = f"the vault password of {envelope.vault_id!r} is wrong, or the vault is damaged"
            hint = "Check it: prov vault view FILE --vault-id ID@FILE. If the vault is damaged, restore it."
        else:
            message = f"is encrypted{named}, and no password of {', '.join(map(repr, ids))} opens it"
            hint = f"Give the password of that id: --vault-id {envelope.vault_id}@FILE"
        return ConfigError(message, where=where, hint=hint)


#: has no passwords: everything encrypted is refused
EMPTY = Keyring()
