"""A private certificate authority, kept by the controller (role `tls`): where it is, and what it signs.

What signs is in `provision.ca`, imported only when there is something to sign: a run with nothing to change
needs no more than the identifier of the authority's key.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

_lock = threading.Lock()


class Authority:
    """folder: holds ca.key (0600), ca.crt, which clients trust, and ca.id, the identifier of its key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate_path = folder / "ca.crt"
        self.key_path = folder / "ca.key"
        self._id_path = folder / "ca.id"

    def exists(self) -> bool:
        """Whether the authority has been made already."""
        return self.certificate_path.is_file()

    def make(self) -> None:
        """Make key and certificate if there are none."""
        with _lock:
            if not self.exists():
                from provision.ca import make

                make(self)

    def key_id(self) -> str:
        """The identifier of the authority's key, in hex, as certificates name their issuer (RFC 5280, 4.2.1.1);
        "" if there is no authority yet. Raises ProvError if its certificate can't be read."""
        if not self.exists():
            return ""
        # hosts are deployed side by side: nobody may read what another one has only begun to write
        with _lock:
            if not self._id_path.is_file():
                from provision.ca import key_id

                begun = self._id_path.with_suffix(f".{os.getpid()}")
                begun.write_text(key_id(self), encoding="ascii")
                begun.replace(self._id_path)
        return self._id_path.read_text(encoding="ascii")

    def sign(self, request_pem: bytes, names: Sequence[str], days: int) -> bytes:
        """A server certificate in PEM for a request made on a host; see `provision.ca.sign`."""
        from provision.ca import sign

        return sign(self, request_pem, names, days)
