"""A fabric.Connection to this machine, for `c.run()`, `c.put()` and the like in roles of local hosts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provision.controller.local_transport import AT_HOME, SHELL, login_environment
from provision.controller.openssh.role_connection import FabricChannel, RoleConnection, end
from provision.controller.without_mock import without_mock
from provision.errors import ProvError, UnreachableError

with without_mock():
    import paramiko
    from fabric import Config, Connection

#: where distributions have OpenSSH's server of SFTP
SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
)


class LocalConnection(RoleConnection):
    """Runs commands as processes. address, user: what the connection calls its host and user."""

    def __init__(self, address: str, user: str) -> None:
        Connection.__init__(self, address, user=user, port=22, config=Config(ssh_config=paramiko.SSHConfig()))
        self._set(client=None)

    def create_session(self) -> FabricChannel:
        """Return an object that Fabric uses like paramiko's channel."""
        return LocalSession()

    @contextmanager
    def forward_local(self, *_: object, **__: object) -> Iterator[None]:
        """Refuse. Raises ProvError."""
        yield from no_forwarding()

    @contextmanager
    def forward_remote(self, *_: object, **__: object) -> Iterator[None]:
        """Refuse. Raises ProvError."""
        yield from no_forwarding()


def no_forwarding() -> Iterator[None]:
    """Raise the error for a forwarded port of this machine. Raises ProvError."""
    raise ProvError("ports of this machine need no forwarding", hint="Use the port itself.")
    yield


class LocalSession(FabricChannel):
    """A process on this machine with the methods of paramiko.Channel that Fabric and paramiko.SFTPClient call."""

    def __init__(self) -> None:
        self._environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def get_pty(self, **size: int) -> None:
        """Do nothing: the process gets pipes."""

    def exec_command(self, command: str) -> None:
        """Run a command."""
        self._start([SHELL, "-c", f"{AT_HOME}; {command}"])

    def invoke_shell(self) -> None:
        """Run the login shell."""
        self._start([login_environment()["SHELL"] or SHELL])

    def invoke_subsystem(self, name: str) -> None:
        """Run OpenSSH's server of SFTP. Raises UnreachableError if it is not installed."""
        found = next((path for path in SFTP_SERVERS if Path(path).exists()), None)
        if found is None:
            raise UnreachableError(
                "this machine has no sftp-server", hint="Install openssh-sftp-server, or use files.file."
            )
        self._start([found])

    def _start(self, argv: list[str]) -> None:
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**login_environment(), **self._environment},
            start_new_session=True,
            bufsize=0,
        )

    def failure(self) -> UnreachableError | None:
        """Return None: there was no login that could fail."""
        return None

    def close(self) -> None:
        """Terminate it."""
        end(self._running())
