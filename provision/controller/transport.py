"""What a session needs of the way to its host: a login, and channels on it. Two ways over SSH give that."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from provision.controller.channel import Channel
from provision.secrets import Secret
from provision.values import dataclass


@dataclass(frozen=True)
class Target:
    """Where and how to log in; ssh's configuration says what is None.

    address: a name, an address, or an alias in ~/.ssh/config.  key: file of a private key.
    known_hosts: a file that alone says by which key the host is known: a lab's. Nothing of the user's is read then.
    """

    address: str
    user: str | None = None
    port: int | None = None
    key: Path | None = None
    password: Secret | None = None
    known_hosts: Path | None = None


class Transport(Protocol):
    """The way to one host. address, user, port: where one logs in, as whom."""

    @property
    def address(self) -> str: ...

    @property
    def user(self) -> str: ...

    @property
    def port(self) -> int: ...

    def open(self) -> None:
        """Log in, or begin to. Raises UnreachableError."""

    def reopen(self) -> None:
        """Log in again to a host that has rebooted. Raises UnreachableError while it is not there."""

    def channel(self, command: str) -> Channel:
        """Run a command there. Raises UnreachableError."""

    def new_login(self, within: int) -> Transport:
        """Return a way to the same host that shares no connection with this one. within: seconds to connect."""

    def connection(self) -> Any:
        """Return a fabric.Connection over it, for `c.run()` and the like of roles."""

    def close(self) -> None: ...
