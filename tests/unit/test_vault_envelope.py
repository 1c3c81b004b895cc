"""Envelopes of Ansible Vault: each reads what the other has written, and damage is said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaults import PASSWORD, by_ansible, library

from provision.errors import ConfigError
from provision.vault.envelope import DamagedEnvelope, WrongPassword, decrypted, encrypted, parsed
from provision.vault.keyring import Keyring
from provision.vault.vault_sources import VaultSource

WORD = PASSWORD.encode()
TEXTS = {
    "empty": b"",
    "one block": b"x" * 16,
    "binary": bytes(range(256)),
    "CRLF": b"one\r\ntwo\r\n",
    "unicode": "\ufeffgrüße 🔑 \u2028".encode(),
    "large": b"0123456789abcdef\n" * 65_536 * 10,
    "an envelope": b"$ANSIBLE_VAULT;1.1;AES256\n00\n",
}
#: Ansible refuses to encrypt what is encrypted
BOTH = {name: text for name, text in TEXTS.items() if name != "an envelope"}


@pytest.mark.parametrize("vault_id", ["default", "prod"])
@pytest.mark.parametrize("text", BOTH.values(), ids=BOTH.keys())
def test_ansible_reads_what_prov_writes(text: bytes, vault_id: str) -> None:
    sealed = encrypted(text, WORD, vault_id)
    assert library(**{vault_id: PASSWORD}).decrypt(sealed) == text
    assert sealed.startswith(
        b"$ANSIBLE_VAULT;1.1;AES256\n"
        if vault_id == "default"
        else f"$ANSIBLE_VAULT;1.2;AES256;{vault_id}\n".encode()
    )
    assert max(map(len, sealed.splitlines())) == 80 and sealed.endswith(b"\n")


@pytest.mark.parametrize("vault_id", [None, "prod"])
@pytest.mark.parametrize("text", BOTH.values(), ids=BOTH.keys())
def test_prov_reads_what_ansible_writes(text: bytes, vault_id: str | None) -> None:
    envelope = parsed(by_ansible(text, vault_id))
    assert envelope.vault_id == (vault_id or "default")
    assert decrypted(envelope, WORD) == text


def test_lines_may_end_as_windows_ends_them_and_be_indented() -> None:
    sealed = encrypted(b"text", WORD, "prod")
    for other in (sealed.replace(b"\n", b"\r\n"), b"\n  ".join(sealed.splitlines()), sealed + b"\n\n"):
        assert decrypted(parsed(other), WORD) == b"text"


def test_another_password_and_every_changed_digit_are_refused() -> None:
    sealed = encrypted(b"text", WORD)
    with pytest.raises(WrongPassword):
        decrypted(parsed(sealed), b"another")
    head, digits = sealed.split(b"\n", 1)
    for at in range(0, len(digits), 7):
        if digits[at : at + 1] == b"\n":
            continue
        changed = digits[:at] + (b"1" if digits[at : at + 1] != b"1" else b"2") + digits[at + 1 :]
        with pytest.raises((WrongPassword, DamagedEnvelope)):
            decrypted(parsed(head + b"\n" + changed), WORD)


BAD = {
    b"": "the first line is not one of Ansible Vault",
    b"word": "the first line is not one of Ansible Vault",
    b"$ANSIBLE_VAULT;1.0;AES\n00": "version '1.0' is not one of 1.1, 1.2",
    b"$ANSIBLE_VAULT;1.1;ROT13\n00": "the cipher 'ROT13' is not AES256",
    b"$ANSIBLE_VAULT;1.1;AES256": "it is cut: salt, digest or text is missing",
    b"$ANSIBLE_VAULT;1.1;AES256\nzz": "it has characters that are not hexadecimal digits, or one too few",
    b"$ANSIBLE_VAULT;1.1;AES256\n000": "it has characters that are not hexadecimal digits, or one too few",
    b"$ANSIBLE_VAULT;1.1;AES256\n300a300a30": "it has characters that are not hexadecimal digits, or one too few",
    b"$ANSIBLE_VAULT;1.1;AES256\n30300a30300a3030": "it is cut: salt, digest or text has not its length",
}


@pytest.mark.parametrize(("data", "message"), BAD.items())
def test_damage_is_said(data: bytes, message: str) -> None:
    with pytest.raises(DamagedEnvelope) as caught:
        parsed(data)
    assert str(caught.value) == message
    with pytest.raises(ConfigError, match="the vault is damaged") as shown:
        Keyring().open(data, "group_vars/all.yml:1")
    assert shown.value.where == "group_vars/all.yml:1" and "prov vault" in shown.value.hint


@settings(max_examples=300)
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_raise_anything_else(data: bytes, headed: bool) -> None:
    source = VaultSource("default", "prompt", "prompt")
    keyring = Keyring([source])
    keyring._passwords[source] = WORD
    with pytest.raises(ConfigError):
        keyring.open((b"$ANSIBLE_VAULT;1.2;AES256;a\n" if headed else b"") + data, "x:1")
