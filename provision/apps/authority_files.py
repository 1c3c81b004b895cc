"""The files of a private certificate authority, and how they are replaced atomically."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from provision.secrets import Secret
from provision.values import dataclass

#: the unit in certificates of people, which services between hosts have no part in
PEOPLE = "people"


@dataclass(frozen=True)
class ClientIdentity:
    """What makes a certificate one of a client, not of a server (RFC 5280, 4.2.1.12).

    name: the user's.  unit: the organisational unit, which tells people from applications.
    """

    name: str
    unit: str = ""


class AuthorityFiles:
    """folder: holds ca.key (0600), ca.crt, which clients trust, and ca.id, the identifier of its key.

    ca.crt begins with the certificate of ca.key. While the authority changes, a second one follows, and next.key may
    hold the key to come (`authority_rotation`).
    If there is an intermediate (`intermediates`), issuing.key and issuing.crt sign, and ca.key may be elsewhere.
    passphrase: encrypts the keys.  domains: the only ones, with all below them, that it may sign for; () for any.
    """

    def __init__(self, folder: Path, passphrase: Secret | None = None, domains: Sequence[str] = ()) -> None:
        self.folder = folder
        self.passphrase = passphrase
        self.domains = domains
        self.certificate_path = folder / "ca.crt"
        self.key_path = folder / "ca.key"
        self.next_key_path = folder / "next.key"
        self.issuing_key_path = folder / "issuing.key"
        self.issuing_path = folder / "issuing.crt"
        self.next_issuing_key_path = folder / "next-issuing.key"
        self.id_path = folder / "ca.id"

    @property
    def key_paths(self) -> tuple[Path, ...]:
        """Return the files of its keys, which need not exist."""
        return self.key_path, self.next_key_path, self.issuing_key_path, self.next_issuing_key_path


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Replace a file atomically: readers see the old file or the new one, even after a crash."""
    begun = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    fd = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        begun.replace(path)
    except BaseException:
        begun.unlink(missing_ok=True)
        raise
