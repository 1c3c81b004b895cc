"""Ansible Vault's format, versions 1.1 and 1.2: text in an envelope, and back.

Source: Ansible, "Encrypting content with Ansible Vault", "Ansible Vault payload format 1.1 - 1.2", and
ansible-core 2.19, ansible.parsing.vault (VaultAES256). The cryptography is of the library of that name, imported
when it is needed.
"""

from __future__ import annotations

import binascii
import os
import re
from typing import NamedTuple

#: how an envelope begins
HEAD = b"$ANSIBLE_VAULT;"
CIPHER = "AES256"
VERSIONS = ("1.1", "1.2")
#: the id of what was encrypted without one
DEFAULT_ID = "default"
#: rounds of PBKDF2, bytes of salt, keys and counter, characters of a line: all fixed by the format
ROUNDS = 10_000
SALT = 32
KEY = 32
COUNTER = 16
WIDTH = 80
#: bits of a block, for the padding (PKCS #7)
BLOCK = 128


class DamagedEnvelope(ValueError):
    """The text is not an envelope that can be read. Its message says why."""


class WrongPassword(ValueError):
    """The password is not the one of this envelope, or a byte of it has changed."""


class Envelope(NamedTuple):
    """An encrypted text. vault_id: the id that it was encrypted with; DEFAULT_ID in version 1.1.

    salt, mac, ciphertext: bytes. mac: HMAC-SHA256 of the ciphertext.
    """

    vault_id: str
    salt: bytes
    mac: bytes
    ciphertext: bytes


def is_envelope(data: bytes) -> bool:
    """Return whether a file with these contents is encrypted."""
    return data.startswith(HEAD)


def parsed(data: bytes) -> Envelope:
    """Return the envelope that a file or a `!vault` value contains. Raises DamagedEnvelope."""
    head, *lines = data.strip().splitlines() or [b""]
    words = [word.strip() for word in head.decode("utf-8", "replace").split(";")]
    if not is_envelope(head) or len(words) < 3:
        raise DamagedEnvelope("the first line is not one of Ansible Vault")
    version, cipher = words[1:3]
    if version not in VERSIONS:
        raise DamagedEnvelope(f"version {version[:10]!r} is not one of {', '.join(VERSIONS)}")
    if cipher != CIPHER:
        raise DamagedEnvelope(f"the cipher {cipher[:20]!r} is not {CIPHER}")
    parts = from_hex(b"".join(line.strip() for line in lines)).split(b"\n", 2)
    if len(parts) != 3:
        raise DamagedEnvelope("it is cut: salt, digest or text is missing")
    salt, mac, ciphertext = map(from_hex, parts)
    if not salt or len(mac) != 32 or not ciphertext or len(ciphertext) % (BLOCK // 8):
        raise DamagedEnvelope("it is cut: salt, digest or text has not its length")
    return Envelope(words[3] if version == "1.2" and len(words) > 3 else DEFAULT_ID, salt, mac, ciphertext)


def from_hex(digits: bytes) -> bytes:
    """Return the bytes that hexadecimal digits say. Raises DamagedEnvelope."""
    try:
        return binascii.unhexlify(digits)
    except ValueError:
        raise DamagedEnvelope("it has characters that are not hexadecimal digits, or one too few") from None


def decrypted(envelope: Envelope, password: bytes) -> bytes:
    """Return the text in an envelope. Raises WrongPassword, or DamagedEnvelope for a text with wrong padding."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, hmac, padding

    key, mac_key, counter = keys(password, envelope.salt)
    mac = hmac.HMAC(mac_key, hashes.SHA256())
    mac.update(envelope.ciphertext)
    try:
        mac.verify(envelope.mac)
    except InvalidSignature:
        raise WrongPassword from None
    padded = counted(key, counter, envelope.ciphertext)
    remover = padding.PKCS7(BLOCK).unpadder()
    try:
        return remover.update(padded) + remover.finalize()
    except ValueError:
        raise DamagedEnvelope("the text in it is not padded as it should be") from None


def encrypted(text: bytes, password: bytes, vault_id: str = DEFAULT_ID) -> bytes:
    """Return the envelope of a text, with a line feed at its end: version 1.2 with an id, 1.1 without."""
    from cryptography.hazmat.primitives import hashes, hmac, padding

    salt = os.urandom(SALT)
    key, mac_key, counter = keys(password, salt)
    adder = padding.PKCS7(BLOCK).padder()
    ciphertext = counted(key, counter, adder.update(text) + adder.finalize())
    mac = hmac.HMAC(mac_key, hashes.SHA256())
    mac.update(ciphertext)
    digits = binascii.hexlify(b"\n".join(map(binascii.hexlify, (salt, mac.finalize(), ciphertext))))
    plain = vault_id == DEFAULT_ID
    head = [HEAD.decode() + ("1.1" if plain else "1.2"), CIPHER, *([] if plain else [vault_id])]
    lines = [digits[at : at + WIDTH] for at in range(0, len(digits), WIDTH)]
    return b"\n".join([";".join(head).encode(), *lines, b""])


def counted(key: bytes, counter: bytes, data: bytes) -> bytes:
    """Return the data, encrypted or decrypted by AES in counter mode."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    turned = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return turned.update(data) + turned.finalize()


def keys(password: bytes, salt: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the key, the key of the digest and the first counter for a password."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    made = PBKDF2HMAC(algorithm=SHA256(), length=2 * KEY + COUNTER, salt=salt, iterations=ROUNDS)
    found = made.derive(password)
    return found[:KEY], found[KEY : 2 * KEY], found[2 * KEY :]


def is_id(text: str) -> bool:
    """Return whether a text can be an id: envelopes are ASCII, and the header holds it between semicolons."""
    return bool(re.fullmatch(r"[!-~]+", text)) and not set(";@,") & set(text)
