"""A fabric.Connection over OpenSSH, for `c.run()`, `c.sudo()`, `c.put()`, `c.get()` and the like in roles.

Fabric's own code runs on channels that are ssh processes. `c.client` and `c.transport`, which only paramiko
has, are None.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from provision.controller.openssh.log import Log
from provision.controller.openssh.openssh_transport import OpenSshTransport
from provision.controller.without_mock import without_mock
from provision.errors import UnreachableError

with without_mock():
    import paramiko
    from fabric import Config, Connection

#: seconds for a forwarded port, and between checks for it
FORWARD_TIMEOUT, LOOK = 30.0, 0.05
#: seconds for a process to exit once it has nothing left to do
END_TIMEOUT = 5.0


class RoleConnection(Connection):  # type: ignore[misc]
    """Runs commands and transfers files by ssh processes, over the host's kept connection if it has one."""

    _way: OpenSshTransport
    _sftp: Any

    def __init__(self, way: OpenSshTransport) -> None:
        config = Config(ssh_config=paramiko.SSHConfig())
        super().__init__(way.address, user=way.user, port=way.port, config=config)
        # _set: fabric stores unknown attributes in its configuration
        self._set(_way=way, client=None)

    @property
    def is_connected(self) -> bool:
        """Whether commands can run: always, because each has its own process."""
        return True

    def open(self) -> None:
        """Do nothing: each command logs in, or uses the kept connection."""

    def close(self) -> None:
        """Close the channel for files."""
        if self._sftp is not None:
            self._sftp.close()
            self._sftp = None

    def create_session(self) -> FabricChannel:
        """Return an object that Fabric uses like paramiko's channel."""
        return FabricChannel(self._way)

    def sftp(self) -> Any:
        """Return a paramiko.SFTPClient."""
        if self._sftp is None:
            session = self.create_session()
            session.invoke_subsystem("sftp")
            channel: Any = session
            self._sftp = paramiko.SFTPClient(channel)
        return self._sftp

    @contextmanager
    def forward_local(
        self,
        local_port: int,
        remote_port: int | None = None,
        remote_host: str = "localhost",
        local_host: str = "localhost",
    ) -> Iterator[None]:
        """Forward a port of this machine to one that the host reaches. Raises UnreachableError."""
        ports = f"{local_host}:{local_port}:{remote_host}:{remote_port or local_port}"
        with forwarding(self._way, "-L", ports, "Local forwarding listening on "):
            yield

    @contextmanager
    def forward_remote(
        self,
        remote_port: int,
        local_port: int | None = None,
        remote_host: str = "127.0.0.1",
        local_host: str = "localhost",
    ) -> Iterator[None]:
        """Forward a port of the host to one that this machine reaches. Raises UnreachableError."""
        ports = f"{remote_host}:{remote_port}:{local_host}:{local_port or remote_port}"
        with forwarding(self._way, "-R", ports, "remote forward success for"):
            yield


@contextmanager
def forwarding(way: OpenSshTransport, option: str, ports: str, success: str) -> Iterator[None]:
    """Forward a port during the block. success: what ssh's log says once it works."""
    # a login of its own: a kept connection would continue to forward after the block
    own = way.new_login(int(FORWARD_TIMEOUT))
    session = FabricChannel(own)
    session.start(["-N", "-oExitOnForwardFailure=yes", option, ports], "")
    try:
        end = time.monotonic() + FORWARD_TIMEOUT
        while success not in session.log.read():
            if session.exit_status_ready() or time.monotonic() > end:
                raise session.failure() or UnreachableError(
                    f"ssh does not forward {ports}: {'; '.join(session.log.words()[-2:])}"
                )
            time.sleep(LOOK)
        yield
    finally:
        session.close()
        own.close()


class FabricChannel:
    """An ssh process with the methods of paramiko.Channel that Fabric and paramiko.SFTPClient call.

    log: ssh's log.
    """

    def __init__(self, way: OpenSshTransport) -> None:
        self._way = way
        self._pty = False
        self._environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.log: Log

    # -- starting

    def get_pty(self, **size: int) -> None:
        """Request a terminal on the host."""
        self._pty = True

    def update_environment(self, environment: dict[str, str]) -> None:
        """Set environment variables on the host, as far as its sshd accepts them."""
        self._environment = environment

    def exec_command(self, command: str) -> None:
        """Run a command."""
        self.start([f"-oSetEnv={name}={value}" for name, value in self._environment.items()], command)

    def invoke_shell(self) -> None:
        """Run the login shell."""
        self.start([], "")

    def invoke_subsystem(self, name: str) -> None:
        """Run one of sshd's subsystems."""
        self.start(["-s"], name)

    def start(self, options: list[str], command: str) -> None:
        """Start ssh. Raises UnreachableError."""
        self.log = Log(self._way.new_log())
        argv = self._way.argv([*options, *self._way.role_words(self.log.path, pty=self._pty)])
        self._process = subprocess.Popen(
            [*argv, command] if command else argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._way.environment(self._way.new_questions()),
            start_new_session=True,
            bufsize=0,
        )

    # -- its streams

    def recv(self, size: int) -> bytes:
        """Return some of its output; b"" at the end."""
        return os.read(self._stream(1), size)

    def recv_stderr(self, size: int) -> bytes:
        """Return some of its stderr output; b"" at the end."""
        return os.read(self._stream(2), size)

    def recv_ready(self) -> bool:
        """Return whether something can be read at once."""
        return bool(select.select([self._stream(1)], [], [], 0)[0])

    def send(self, data: bytes | str) -> int:
        """Write a part of the data, and return its length."""
        with suppress(BrokenPipeError):
            return os.write(self._stream(0), data.encode() if isinstance(data, str) else data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        """Write all data."""
        while data:
            data = data[self.send(data) :]

    def shutdown_write(self) -> None:
        """Close its input."""
        stdin = self._running().stdin
        assert stdin is not None
        with suppress(BrokenPipeError):
            stdin.close()

    def get_name(self) -> str:
        """Return a name for logs."""
        return "ssh"

    # -- its end

    def exit_status_ready(self) -> bool:
        """Return whether it has ended."""
        return self._running().poll() is not None

    def recv_exit_status(self) -> int:
        """Return its exit status. Raises UnreachableError if the login failed."""
        status = self._running().wait()
        failure = self.failure()
        if failure is not None:
            raise failure
        return status

    def failure(self) -> UnreachableError | None:
        """Return why the login failed; None if it worked."""
        if self._running().poll() != 255 or self.log.logged_in():
            return None
        return self._way.failure(self.log, "").error()

    def close(self) -> None:
        """Terminate it."""
        end(self._running())
        self.log.path.unlink(missing_ok=True)

    def resize_pty(self, width: int, height: int) -> None:
        """Do nothing: ssh takes the size from a local terminal, and has none here."""

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _stream(self, number: int) -> int:
        process = self._running()
        stream = (process.stdin, process.stdout, process.stderr)[number]
        assert stream is not None
        return stream.fileno()


def end(process: subprocess.Popen[bytes]) -> None:
    """Close a process's streams, and terminate it if it still runs."""
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        with suppress(BrokenPipeError):
            stream.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
