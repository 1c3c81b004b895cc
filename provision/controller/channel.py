"""A command's streams at the other end of a connection."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from provision.errors import ProvError

if TYPE_CHECKING:
    import paramiko

#: seconds until someone speaks for the first time, and between first words: logins and sudo have delays of their own
START_TIMEOUT = 60.0
#: the agent speaks at least every 5 s; this much silence (seconds) means that the link is gone
SILENCE = 45.0
#: bytes that are taken at once
PIECE = 1 << 20


class Channel(Protocol):
    """Streams of one command. out, err: what has arrived and was not taken yet. eof: no more will come.

    silent: it was given up, as the other end neither took anything nor said anything for SILENCE seconds.
    failure: why there was no login; None if there was one, or may still be.
    """

    out: bytearray
    err: bytearray
    eof: bool
    silent: bool
    failure: ProvError | None

    def logged_in(self) -> bool:
        """Whether the login has worked."""

    def asking(self) -> bool:
        """Whether a person is being asked for a password."""

    def send(self, data: bytes) -> None: ...

    def end_input(self) -> None:
        """Let the command read the end of its input."""

    def wait(self, timeout: float) -> bool:
        """Wait until something arrives or the command ends; False after timeout seconds of silence."""

    def close(self) -> None: ...


class LoggedIn:
    """A channel that exists only after the login has worked."""

    failure: ProvError | None = None

    def logged_in(self) -> bool:
        return True

    def asking(self) -> bool:
        return False


class SshChannel(LoggedIn):
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
        # since when a write waits for someone to take it (monotonic); 0.0: none does
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

    def end_input(self) -> None:
        self._channel.shutdown_write()

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
        before = len(self.err) + len(self.out)
        # one piece of each, and not until there is no more: a program that prints without end would never let us go
        if channel.recv_stderr_ready():
            self.err += channel.recv_stderr(PIECE)
        if channel.recv_ready():
            self.out += channel.recv(PIECE)
        found = len(self.err) + len(self.out) > before
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


class ProcessChannel(LoggedIn):
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
            data = os.read(key.fd, PIECE)
            key.data.extend(data)
            if not data:
                self._selector.unregister(key.fileobj)
                self.eof = self.eof or key.data is self.out
        return bool(ready)

    def end_input(self) -> None:
        self._stdin.close()

    def close(self) -> None:
        self._selector.close()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with suppress(BrokenPipeError):  # what the other end has not taken can't be flushed to it
                stream.close()
        self.process.wait(timeout=START_TIMEOUT)
