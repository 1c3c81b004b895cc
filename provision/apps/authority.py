"""A private certificate authority that the controller keeps (role `tls`): where it is, and what it signs.

Signing is in `certificate_files`, imported only when needed: a run without changes needs only the identifier
of the authority's key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from provision.apps.authority_files import AuthorityFiles, ClientIdentity, write_whole
from provision.errors import ProvError
from provision.locks import locked

#: how long to wait while another prov makes an authority
_WAIT_SECONDS = 60.0


class Authority(AuthorityFiles):
    """An authority in a folder; see `AuthorityFiles`.

    Several processes may deploy from one project, and several hosts in one process: files are replaced
    atomically, and an authority is made, changed and read for signing under the lock of its folder.
    """

    def exists(self) -> bool:
        """Return whether the authority has already been made."""
        return self.certificate_path.is_file()

    def make(self) -> None:
        """Make key and certificate if they do not exist, and encrypt a key that is to be. Raises ProvError."""
        if self.exists() and not self._is_bare():
            return
        with self.alone():
            from provision.apps.certificate_files import encrypt, make

            if not self.exists():
                make(self)
            encrypt(self)

    def key_id(self) -> str:
        """Return the identifier of the key that signs, in hex, as in certificates (RFC 5280, 4.2.1.1).

        "" if there is no authority yet. Raises ProvError if its certificate can't be read, or is not the
        key's.
        """
        if not self.exists():
            return ""
        state = self._state()
        with suppress(OSError, ValueError):
            known, of = self.id_path.read_text(encoding="ascii").split()
            if of == state:
                return known
        from provision.apps.certificate_files import check, key_id

        with self.alone():
            check(self)
            found, state = key_id(self), self._state()
        with suppress(OSError):  # a user with read access only parses the certificate each time
            write_whole(self.id_path, f"{found} {state}\n".encode(), 0o644)
        return found

    def sign(
        self, request_pem: bytes, names: Sequence[str], days: int, client: ClientIdentity | None = None
    ) -> bytes:
        """Return a certificate in PEM, with its chain, for a request made on a host; see `certificate_files.sign`."""
        from provision.apps.certificate_files import sign

        with self.alone():
            return sign(self, request_pem, names, days, client)

    def _is_bare(self) -> bool:
        """Return whether a key lacks the encryption that it is to have."""
        with suppress(OSError):  # a user who only plans need not be able to sign
            keys = [path.read_bytes() for path in self.key_paths if path.exists()]
            return self.passphrase is not None and any(b"ENCRYPTED" not in key for key in keys)
        return False

    def _state(self) -> str:
        """Return a digest of its files: ca.id is valid for these only."""
        digest = hashlib.sha256()
        for path in (self.certificate_path, self.key_path, self.issuing_path, self.issuing_key_path):
            with suppress(OSError):  # a user who only plans need not be able to sign
                digest.update(path.read_bytes())
        return digest.hexdigest()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the authority's lock. Raises ProvError."""
        try:
            with locked(self.folder, seconds=_WAIT_SECONDS, mode=0o700):
                yield
        except TimeoutError as error:
            raise ProvError(str(error), hint="End that prov, then run again.") from None
        except OSError as error:
            raise ProvError(
                f"the private CA cannot be written: {error.strerror}",
                where=str(self.folder),
                hint="Make the folder writable, or set another one: `tls: {ca: FOLDER}`.",
            ) from error
