"""What a session needs to reach its host: a login, and channels on it. Two transports over SSH provide it,
and one to this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from provision.controller.channel import Channel
from provision.secrets import Secret
from provision.values import dataclass

#: what to do if an instance presents another key than the pinned one
PINNED_HINT = (
    "What answers there is not the instance that prov made. Its address may have passed to another machine:"
    " `prov ec2 list` looks again where the instance is."
)


@dataclass(frozen=True)
class Target:
    """Where and how to log in; a field that is None is left to ssh's configuration.

    address: a name, an address, or an alias in ~/.ssh/config.  key: file of a private key.  known_hosts: the
    only file that verifies the host's key (a lab's). The user's own files are not read then.  name: what the
    host is called in the inventory.  paramiko: whether the user asks for paramiko, even if there is an ssh
    client.  executable: the ssh client.  arguments, more_arguments: for it, before and after those for user,
    port and key.  persist: seconds for which the connection is kept after its last use; 0 keeps none.
    local: this machine itself; nothing else counts then.
    pinned: a file that alone verifies the host's key, like known_hosts; the user's other files are read (an
    instance's).
    """

    address: str
    user: str | None = None
    port: int | None = None
    key: Path | None = None
    password: Secret | None = None
    known_hosts: Path | None = None
    pinned: Path | None = None
    name: str = ""
    paramiko: bool = False
    executable: str = "ssh"
    arguments: tuple[str, ...] = ()
    more_arguments: tuple[str, ...] = ()
    persist: int = 0
    local: bool = False


class Transport(Protocol):
    """The way to one host. address, user, port: where to log in, and as which user.

    instead: why it is not the default transport; empty if it is, or if the inventory asks for this one.
    """

    instead: str

    @property
    def address(self) -> str: ...

    @property
    def user(self) -> str: ...

    @property
    def port(self) -> int: ...

    def open(self) -> None:
        """Log in, or prepare to: OpenSSH logs in with the first channel. Raises UnreachableError."""

    def begin(self, command: str) -> None:
        """Open, and start the first channel's command if that saves time. Raises UnreachableError."""

    def reopen(self) -> None:
        """Drop the connection to a host that has rebooted, and open a new one. Raises UnreachableError."""

    def may_ask(self, person: Callable[[str], Secret] | None) -> None:
        """Set who asks the user for passwords; None if no one can."""

    def channel(self, command: str) -> Channel:
        """Run a command there. Raises UnreachableError."""

    def new_login(self, within: int) -> Transport:
        """Return a way to the same host that shares no connection with this one.

        within: seconds to connect.
        """

    def warnings(self) -> list[str]:
        """Return warnings about this transport, each once for a run."""

    def close(self) -> None: ...
