"""The paramiko transport: reaches a host with an SSH client in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from provision.controller.channel import Channel, SshChannel
from provision.controller.connection import VerifiedConnection, fabric_config
from provision.controller.transport import Target, Transport
from provision.secrets import Secret


class ParamikoTransport:
    """One connection of paramiko's. within: seconds to connect; None for the default.
    instead: why this transport was chosen, if the user did not ask for it.

    Raises ConfigError for an ssh configuration that paramiko can't follow.
    """

    def __init__(self, target: Target, within: int | None = None, *, instead: str = "") -> None:
        self.instead = instead
        self._target = target
        connect: dict[str, Any] = {}
        if target.key is not None:
            connect.update(key_filename=[str(target.key)], look_for_keys=False)
        if target.known_hosts is not None:
            connect["allow_agent"] = False
        if target.password is not None:
            connect["password"] = target.password.reveal()
        self._connection = VerifiedConnection(
            target.address,
            config=fabric_config(),
            user=target.user,
            port=target.port,
            known_hosts=target.known_hosts or target.pinned,
            connect_timeout=within,
            connect_kwargs=connect,
        )

    @property
    def address(self) -> str:
        return str(self._connection.host)

    @property
    def user(self) -> str:
        return str(self._connection.user)

    @property
    def port(self) -> int:
        return int(self._connection.port)

    def open(self) -> None:
        self._connection.open()

    def begin(self, command: str) -> None:
        self.open()

    def may_ask(self, person: Callable[[str], Secret] | None) -> None:
        """Do nothing: paramiko takes passwords from the inventory only."""

    def reopen(self) -> None:
        self._connection.close()
        self._connection.open()

    def channel(self, command: str) -> Channel:
        return SshChannel(self._connection, command)

    def new_login(self, within: int) -> Transport:
        return ParamikoTransport(self._target, within)

    def connection(self) -> Any:
        return self._connection

    def warnings(self) -> list[str]:
        return []

    def close(self) -> None:
        self._connection.close()
