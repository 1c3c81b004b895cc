"""A command's streams at the other end of a connection, and how a login becomes the agent's process."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from provision.bootstrap import SAYS, SUDO_PROMPT, command, payload
from provision.errors import ProvError, StepError, UnreachableError
from provision.secrets import Secret
from provision.values import dataclass

if TYPE_CHECKING:
    import paramiko

#: seconds until somebody speaks for the first time, and between first words: logins and sudo have delays of their own
START_TIMEOUT = 60.0
#: the agent speaks at least every 5 s; this much silence (seconds) means that the link is gone
SILENCE = 45.0


class Channel(Protocol):
    """Streams of one command. out, err: what has arrived and was not taken yet. eof: no more will come.

    silent: it was given up, as the other end neither took anything nor said anything for SILENCE seconds.
    """

    out: bytearray
    err: bytearray
    eof: bool
    silent: bool

    def send(self, data: bytes) -> None: ...

    def wait(self, timeout: float) -> bool:
        """Wait until something arrives or the command ends; False after timeout seconds of silence."""

    def close(self) -> None: ...


class SshChannel:
    """A command over paramiko. Both streams are read, because they share one window (paramiko#1778).

    connection: a fabric.Connection that is open.
    """

    def __init__(self, connection: Any, command: str) -> None:
        channel: paramiko.Channel = connection.transport.open_session()
        channel.exec_command(command)
        self._channel = channel
        self._transport: paramiko.Transport = connection.transport
        self.out = bytearray()
        self.err = bytearray()
        self.eof = False
        self.silent = False
        # since when a write waits for somebody to take it (monotonic); 0.0: none does
        self._writing = 0.0
        self._closed = threading.Event()
        # not channel.fileno(): its pipe for two streams has a race that leaves it readable with nothing to read
        self._arrival = Arrival()
        channel.in_buffer.set_event(self._arrival)
        channel.in_stderr_buffer.set_event(self._arrival)
        threading.Thread(target=self._watch, daemon=True).start()

    def send(self, data: bytes) -> None:
        try:
            # not sendall: `_watch` counts from the last piece that was taken
            while data:
                self._writing = time.monotonic()
                data = data[self._channel.send(data) :]
        except (OSError, EOFError):
            # the other end has gone: `wait` will give what it said before that, then the end
            return
        finally:
            self._writing = 0.0

    def wait(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not self._take():
            left = end - time.monotonic()
            if self.silent or left <= 0 or not self._arrival.wait(left):
                return False
        return not self.silent

    def close(self) -> None:
        self._closed.set()
        self._channel.close()

    def _watch(self) -> None:
        """Give up a connection that takes nothing more: a write to it would wait for as long as TCP sends it again,
        which is a quarter of an hour (tcp(7), tcp_retries2)."""
        while not self._closed.wait(SILENCE / 15):
            writing = self._writing
            if writing and time.monotonic() - max(writing, self._arrival.last) > SILENCE:
                self.silent = True
                # not the channel alone: that would write once more
                self._transport.close()
                return

    def _take(self) -> bool:
        """Move what has arrived to `out` and `err`; False if there was nothing, and more may come."""
        self._arrival.reset()
        channel = self._channel
        # asked before reading: what came before the end is then read in any case
        ended = bool(channel.closed or channel.eof_received)
        found = False
        while channel.recv_stderr_ready():
            self.err += channel.recv_stderr(1 << 20)
            found = True
        while channel.recv_ready():
            self.out += channel.recv(1 << 20)
            found = True
        self.eof = ended and not found
        return found or ended


class Arrival(threading.Event):
    """Set by paramiko's buffers when something arrives or they close. They also clear it, each for itself
    alone; whether there is something to read is for the one reader of both to say.

    last: when that was (monotonic).
    """

    last = 0.0

    def set(self) -> None:
        """Something has arrived."""
        self.last = time.monotonic()
        super().set()

    def clear(self) -> None:
        """Not for a single buffer to say."""

    def reset(self) -> None:
        """Wait for the next arrival."""
        super().clear()


class ProcessChannel:
    """A command on this machine: the same agent without SSH, for tests at the edge of the network."""

    def __init__(self, argv: list[str]) -> None:
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self._stdin = self.process.stdin
        self.out = bytearray()
        self.err = bytearray()
        self.eof = self.silent = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ, self.out)
        self._selector.register(self.process.stderr, selectors.EVENT_READ, self.err)

    def send(self, data: bytes) -> None:
        try:
            self._stdin.write(data)
            self._stdin.flush()
        except BrokenPipeError:
            return

    def wait(self, timeout: float) -> bool:
        ready = self._selector.select(timeout)
        for key, _ in ready:
            data = os.read(key.fd, 1 << 20)
            key.data.extend(data)
            if not data:
                self._selector.unregister(key.fileobj)
                self.eof = self.eof or key.data is self.out
        return bool(ready)

    def close(self) -> None:
        self._selector.close()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        self.process.wait(timeout=START_TIMEOUT)


@dataclass(frozen=True)
class Login:
    """How the login becomes root's python3.

    sudo: the login is not root, and has to become it.  password: for sudo, if known.
    ask: asks a person for it, once; None if nobody is there.  interpreter: tried before the host's python3.
    """

    sudo: bool = False
    password: Secret | None = None
    ask: Callable[[], Secret] | None = None
    interpreter: str = ""

    def start(self, open_channel: Callable[[str], Channel], *, plan: bool) -> Starter:
        """Start the agent; returns as soon as its program is on the way, but for sudo's password."""
        return Starter(self, open_channel, plan=plan)


class NoPython(ProvError):
    """The host has no python3, and a plan may not install it. manager: what would install it."""

    def __init__(self, manager: str) -> None:
        super().__init__("the host has no python3", hint="A deploy installs it first.")
        self.manager = manager


class Starter:
    """The start of one agent. channel: the one it runs on."""

    def __init__(self, login: Login, open_channel: Callable[[str], Channel], *, plan: bool) -> None:
        self._login = login
        self._open = open_channel
        self._plan = plan
        # a plan installs nothing, not even python3
        self._mode = b"keep\n" if plan else b"install\n"
        self._password = login.password
        self.channel = self._run()

    def _run(self) -> Channel:
        code = payload(self._plan)
        login, known = self._login, self._password is not None
        line = command(len(code), interpreter=login.interpreter, sudo=login.sudo, password=known)
        channel = self._open(line)
        if login.sudo and known:
            self._give_password(channel)
        channel.send(self._mode + code)
        return channel

    def _give_password(self, channel: Channel) -> None:
        """Wait for sudo's prompt, or for our shell if sudo wants none; a second prompt means a wrong one."""
        assert self._password is not None
        shell, prompt = SAYS.encode(), SUDO_PROMPT.encode()
        given = False
        while shell not in channel.err:
            if prompt in channel.err:
                if given:
                    channel.close()
                    raise UnreachableError(
                        "sudo does not take this password",
                        hint="Set ansible_become_password, or leave it out to be asked.",
                    )
                channel.err.clear()
                channel.send(self._password.reveal().encode() + b"\n")
                given = True
            elif channel.eof or not channel.wait(START_TIMEOUT):
                error = self.explain(bytes(channel.out))
                channel.close()
                raise error

    def retry(self) -> bool:
        """After the end of a channel that never became an agent: try again with a password if that was missing."""
        wanted = "password is required" in self._said()
        if not (wanted and self._login.ask and self._password is None):
            return False
        self.channel.close()
        self._password = self._login.ask()
        self.channel = self._run()
        return True

    def installing(self) -> str:
        """The last line of python3's installation while it runs, else ""."""
        said = self._said()
        if f"{SAYS}installing" not in said:
            return ""
        lines = [line for line in said.splitlines() if line.strip() and not line.startswith(SAYS)]
        return lines[-1].strip() if lines else "starting"

    def installed(self) -> bool:
        """Whether python3 was missing and has been installed."""
        return f"{SAYS}installed" in self._said()

    def explain(self, out: bytes) -> ProvError:
        """Why there is no agent. out: what came on stdout instead."""
        said = self._said()
        sayings = [line[len(SAYS) :].split() for line in said.splitlines() if line.startswith(SAYS)]
        words = {line[0]: line[1:] for line in sayings if line}
        text = "\n".join(line for line in said.splitlines() if not line.startswith(SAYS))
        if "no-python" in words:
            return NoPython(words["no-python"][0])
        if "no-package-manager" in words:
            return StepError(
                "the host has no python3 (3.8 or newer), and neither apt-get, dnf nor yum to install it",
                hint="Install python3 by hand, or name one with ansible_python_interpreter.",
            )
        if "not-root" in words:
            return StepError(
                "the host has no python3, and only root can install it",
                hint="Let prov use sudo: ansible_become: true.",
            )
        if "install-failed" in words:
            return StepError("python3 could not be installed", stderr=_last(text))
        for sign, message, hint in SUDO_REFUSALS:
            if sign in text:
                return UnreachableError(message, hint=hint)
        shown = _last(text) or _last(out.decode(errors="replace"))
        return UnreachableError(
            "the login works, but the agent did not start" + (f": {shown}" if shown else ""),
            hint="Try `prov ssh` and run `python3 -V` there.",
        )

    def _said(self) -> str:
        return self.channel.err.decode(errors="replace") if hasattr(self, "channel") else ""


#: what sudo prints (sudo 1.8 to 1.9, locale C), and what it means
SUDO_REFUSALS = (
    (
        "password is required",
        "sudo wants a password",
        "Set ansible_become_password, or run prov on a terminal to be asked for it.",
    ),
    (
        "incorrect password",
        "sudo does not take this password",
        "Set ansible_become_password, or leave it out to be asked.",
    ),
    (
        "not in the sudoers file",
        "this user may not use sudo",
        "Log in as another user (ansible_user), or add this one to sudoers.",
    ),
    (
        "may not run sudo",
        "this user may not use sudo",
        "Log in as another user (ansible_user), or add this one to sudoers.",
    ),
    (
        "sudo: not found",
        "the host has no sudo",
        "Log in as root (ansible_user: root), or install sudo.",
    ),
    (
        "sudo: command not found",
        "the host has no sudo",
        "Log in as root (ansible_user: root), or install sudo.",
    ),
    (
        "you must have a tty",
        "sudo on this host insists on a terminal (requiretty)",
        "Remove `Defaults requiretty` from its sudoers, or log in as root.",
    ),
)


def _last(text: str, count: int = 5) -> str:
    return "\n".join(text.strip().splitlines()[-count:])
