"""What a launch needs to be repeated exactly, if it is cut before its instance is seen.

EC2 shows a new instance only a moment after the request. A second request with the same token, in that moment or after
a cut connection, gets the same instance: it makes no second one (EC2 API, "Ensuring idempotency").
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from provision.cloud.host_key_pairs import HostKeyPair, new_host_key
from provision.secrets import Secret


class PendingLaunch:
    """A launch that is under way. folder: of the host's cache; it may be missing."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "launch.json"

    def begin(self) -> HostKeyPair:
        """Return the host key for the instance: that of the launch that was cut, or a new one. Raises OSError."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            self._seed = str(found["seed"])
            return HostKeyPair(Secret(found["private"]), found["public"])
        except (OSError, ValueError, KeyError, TypeError):
            key, self._seed = new_host_key(), secrets.token_hex(16)
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps({"seed": self._seed, "private": key.private.reveal(), "public": key.public})
        new = self._file.with_name("launch.json.new")
        with suppress(FileNotFoundError):
            new.unlink()
        # the key is a secret until the first boot has replaced it
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as f:  # noqa: PTH123
            f.write(text)
        new.replace(self._file)
        return key

    def token(self, arguments: dict[str, Any]) -> str:
        """Return the client token of a request: another one if its arguments are different."""
        return hashlib.sha256(repr((self._seed, arguments)).encode()).hexdigest()

    def end(self) -> None:
        """Forget the launch: its instance has been seen, or has ended."""
        with suppress(FileNotFoundError):
            self._file.unlink()
