"""Choose the transport of a host: OpenSSH if a client is installed, else paramiko, or paramiko on request.

This machine is reached by processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from provision.controller.local_transport import LocalTransport
from provision.controller.openssh.client import find_client
from provision.controller.openssh.openssh_transport import OpenSshTransport
from provision.controller.transport import Target, Transport
from provision.errors import UnreachableError

#: shown with -v if paramiko logs in and the user did not ask for it
INSTEAD = "logs in with paramiko, because no OpenSSH client of 8.4 or newer was found in PATH"


def transport_to(target: Target) -> Transport:
    """Return the way to a host. Raises ConfigError for an ssh configuration that paramiko can't follow, and
    UnreachableError for arguments that only an ssh client understands."""
    if target.local:
        return LocalTransport()
    client = None if target.paramiko else find_client(target.executable)
    if client is not None:
        return OpenSshTransport(client, target)
    if target.executable != "ssh" or target.arguments or target.more_arguments:
        raise not_for_paramiko(target)
    from provision.controller.paramiko_transport import ParamikoTransport

    return ParamikoTransport(target, instead="" if target.paramiko else INSTEAD)


def not_for_paramiko(target: Target) -> UnreachableError:
    """Return the error for ssh arguments in the inventory of a machine without an ssh client."""
    if target.paramiko:
        return UnreachableError(
            "the inventory has arguments for ssh, which paramiko does not take",
            hint="Leave ansible_connection: paramiko out.",
        )
    return UnreachableError(
        f"the inventory has arguments for ssh, and {target.executable!r} is not an OpenSSH of 8.4 or newer",
        hint="Install openssh-client, or take ansible_ssh_args and the like out.",
    )


def connection_over(way: Transport) -> Any:
    """Return a fabric.Connection over the way to a host, for `c.run()` and the like in roles."""
    if isinstance(way, OpenSshTransport):
        from provision.controller.openssh.role_connection import RoleConnection

        return RoleConnection(way)
    if isinstance(way, LocalTransport):
        from provision.controller.local_connection import LocalConnection

        return LocalConnection(way.address, way.user)
    from provision.controller.paramiko_transport import ParamikoTransport

    assert isinstance(way, ParamikoTransport)
    return way.connection()


def check_configuration(paramiko: Iterable[bool]) -> None:
    """Raise ConfigError for ssh settings that paramiko can't follow, if a host needs paramiko.

    paramiko: for each host, whether it asks for it. OpenSSH reports errors in its configuration per host.
    """
    if any(paramiko) or find_client("ssh") is None:
        from provision.controller.ssh_config import user_config

        user_config()
