"""Help for the tests of vaults: what ansible-core encrypts and decrypts."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

from ansible.parsing.vault import VaultLib, VaultSecret

PASSWORD = "correct horse"


def library(**passwords: str) -> VaultLib:
    """Ansible's own vault, with these passwords by id; `default` has PASSWORD."""
    given = passwords or {"default": PASSWORD}
    return VaultLib([(vault_id, VaultSecret(word.encode())) for vault_id, word in given.items()])


def by_ansible(text: str | bytes, vault_id: str | None = None, password: str = PASSWORD) -> bytes:
    """What ansible-vault makes of a text."""
    found = VaultLib([(vault_id or "default", VaultSecret(password.encode()))]).encrypt(
        text, vault_id=vault_id, secret=VaultSecret(password.encode())
    )
    return bytes(found)


def inline(text: str, vault_id: str | None = None, password: str = PASSWORD, blanks: int = 8) -> str:
    """A value as `ansible-vault encrypt_string` writes it, for a line of YAML."""
    return "!vault |\n" + indent(by_ansible(text, vault_id, password).decode().rstrip("\n"), " " * blanks)


def password_file(folder: Path, word: str = PASSWORD, name: str = "word") -> str:
    """A file with a password, as people write it: with a line feed."""
    (folder / name).write_text(word + "\n")
    return str(folder / name)
