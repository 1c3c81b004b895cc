"""The SSH host key that a new instance starts with, and known_hosts for it.

It is handed over in user data, where programs on the instance can read it; so the first run replaces it by one that
the host makes (first_boot).
"""

from __future__ import annotations

from pathlib import Path

from provision.secrets import Secret
from provision.values import dataclass

KIND = "ssh-ed25519"


@dataclass(frozen=True)
class HostKeyPair:
    """A host key. private: in OpenSSH's format.  public: "ssh-ed25519 AAAA..."."""

    private: Secret
    public: str


def new_host_key() -> HostKeyPair:
    """Return a new key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return HostKeyPair(Secret(private.decode()), public.decode())


def is_host_key(text: str) -> bool:
    """Return whether a text is one public key of the kind that prov makes, and nothing else."""
    words = text.split(" ")
    return len(words) == 2 and words[0] == KIND and words[1].isascii() and len(words[1]) == 68


def write_known_hosts(path: Path, keys: tuple[str, ...]) -> None:
    """Write the known_hosts of one instance: these keys are good for it at any address.

    Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text("".join(f"* {key}\n" for key in keys), encoding="ascii")
    new.chmod(0o600)
    new.replace(path)
