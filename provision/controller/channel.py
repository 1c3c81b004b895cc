"""The streams of a command at the other end of a connection."""

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

#: seconds until the first output, and between first outputs: logins and sudo have delays of their own
START_TIMEOUT = 60.0
#: seconds; the agent sends a heartbeat every 5 s, so this much silence means that the link is lost
SILENCE = 45.0
#: bytes read at once
PIECE = 1 << 20


class Channel(Protocol):
    """The streams of one command.

    out, err: data that has arrived and is not read yet.  eof: no more will come.
    silent: given up, because the other end neither read nor sent anything for SILENCE seconds.
    failure: why the login failed; None if it worked, or is still under way.
    """

    out: bytearray
    err: bytearray
    eof: bool
    silent: bool
    failure: ProvError | None

    def logged_in(self) -> bool:
        """Return whether the login has worked."""

    def asking(self) -> bool:
        """Return whether the user is being asked for a password."""

    def send(self, data: bytes) -> None: ...

    def end_input(self) -> None:
        """Close the command's input."""

    def wait(self, timeout: float) -> bool:
        """Wait until data arrives or the command ends; return False after timeout seconds of silence."""

    def close(self) -> None: ...


class LoggedIn:
    """A channel that exists only after a successful login."""

    failure: ProvError | None = None

    def logged_in(self) -> bool:
        return True

    def asking(self) -> bool:
        return False


class SshChannel(LoggedIn):
    """A command over paramiko. Both streams are read, because they share one window (paramiko#1778).

    connection: an open fabric.Connection.
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
        # since when a write waits to be read (monotonic); 0.0 if none does
        self._writing = 0.0
        self._closed = threading.Event()
        # not channel.fileno(): its pipe for two streams has a race that leaves it readable with no data
        self._arrival = Arrival()
        channel.in_buffer.set_event(self._arrival)
        channel.in_stderr_buffer.set_event(self._arrival)
        threading.Thread(target=self._watch, daemon=True).start()

    def send(self, data: bytes) -> None:
        try:
            # not sendall: `_watch` measures the time since the last accepted piece
            while data:
                self._writing = time.monotonic()
                data = data[self._channel.send(data) :]
        except (OSError, EOFError):
            # the other end is gone: `wait` returns its last output, then the end
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
        """Give up a connection that accepts no more data.

        A write to it would wait while TCP retransmits, for a quarter of an hour (tcp(7), tcp_retries2).
        """
        while not self._closed.wait(SILENCE / 15):
            writing = self._writing
            if writing and time.monotonic() - max(writing, self._arrival.last) > SILENCE:
                self.silent = True
                # not the channel alone: closing it would write once more
                self._transport.close()
                return

    def _take(self) -> bool:
        """Move what has arrived to `out` and `err`; return False if nothing has, and more may come."""
        self._arrival.reset()
        channel = self._channel
        # checked before reading, so that no data from before the end is lost
        ended = bool(channel.closed or channel.eof_received)
        before = len(self.err) + len(self.out)
        # one piece of each stream, because a program that prints endlessly must not keep the reader here
        if channel.recv_stderr_ready():
            self.err += channel.recv_stderr(PIECE)
        if channel.recv_ready():
            self.out += channel.recv(PIECE)
        found = len(self.err) + len(self.out) > before
        self.eof = ended and not found
        return found or ended


class Arrival(threading.Event):
    """An event that paramiko's buffers set when data arrives or when they close.

    Each buffer also clears it when it is empty itself. That is ignored, because only the reader of both knows
    whether there is data left.  last: time of the last arrival (monotonic).
    """

    last = 0.0

    def set(self) -> None:
        """Note an arrival."""
        self.last = time.monotonic()
        super().set()

    def clear(self) -> None:
        """Ignore it: a single buffer cannot know whether the other one is empty."""

    def reset(self) -> None:
        """Wait for the next arrival."""
        super().clear()


class ProcessChannel(LoggedIn):
    """A command on this machine: runs the same agent without SSH, for tests."""

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
            with suppress(BrokenPipeError):  # data that the other end has not read can't be flushed
                stream.close()
        self.process.wait(timeout=START_TIMEOUT)
