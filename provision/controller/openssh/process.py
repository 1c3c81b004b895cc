"""A command on a host, run by an ssh process: its streams, and retries until the login works.

Before the login has worked, nothing happens on the host. So a process that ends before that can be replaced
by a new one, which gets all input again: after a stale kept connection, a busy sshd, or too many keys.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from provision.controller.channel import PIECE, SILENCE
from provision.controller.openssh.log import Log
from provision.errors import ProvError, UnreachableError

#: seconds in which a kept connection must accept a command; its host may be gone
MASTER_TIMEOUT = 3.0
#: seconds for a process to exit after its streams are closed, and after it is terminated
END_TIMEOUT, KILL_TIMEOUT = 5.0, 2.0
#: seconds between checks of the log of a process that has not logged in
LOOK = 0.5


class Started:
    """One ssh process. log: its log."""

    def __init__(self, argv: list[str], environment: dict[str, str], log: Log) -> None:
        self.log = log
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            # Ctrl-C is for prov, which ends the run in good order
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.out, self.err = (
            stream.fileno() for stream in (self.process.stdin, self.process.stdout, self.process.stderr)
        )
        for stream in (self.stdin, self.out, self.err):
            os.set_blocking(stream, False)

    def end(self) -> None:
        """Close its streams, and terminate it if it still runs."""
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        if self.process.poll() is None:
            self.process.terminate()
            threading.Thread(target=self._bury, daemon=True).start()
        with suppress(FileNotFoundError):
            self.log.path.unlink()

    def _bury(self) -> None:
        try:
            self.process.wait(KILL_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


#: takes a process that ended without a login, its stderr, and the number of processes before it; returns a
#: new process or the error
Again = Callable[[Started, str, int], "Started | UnreachableError"]


class OpenSshChannel:
    """The streams of a command. See `Channel`.

    first: the process.  again: decides what follows a process that ended without a login.
    logged_in: called once, when the login has worked or finally failed.
    asking: whether the user is being asked for a password.
    """

    def __init__(
        self, first: Started, again: Again, logged_in: Callable[[], None], asking: Callable[[], bool]
    ) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.eof = False
        self.silent = False
        self.failure: ProvError | None = None
        self._started = first
        self._again = again
        self._tell = logged_in
        self._asking = asking
        self._tries = 1
        self._there = False
        #: all input so far, until the login has worked; then None
        self._said: list[bytes] | None = []
        #: input that is not written yet
        self._pending = bytearray()
        self._ended_input = False
        self._closed = False
        #: output that arrived during a write, for `wait` to return
        self._drained: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._lock = threading.RLock()
        self._last = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._watch()

    # -- the interface of all channels

    def send(self, data: bytes) -> None:
        with self._lock:
            if self._said is not None:
                self._said.append(data)
            if not self._there:
                # ssh reads nothing before the login, and the sender need not wait for that
                self._pending += data
                self._push()
                return
            data, self._pending = bytes(self._pending) + data, bytearray()
        self._write(self._started, memoryview(data))

    def end_input(self) -> None:
        self._ended_input = True
        if not self._pending:
            self._close_input()

    def wait(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not self._take():
            left = end - time.monotonic()
            if self.silent or left <= 0:
                return False
            if self._pending:
                self._push(wait=min(left, LOOK))
            else:
                self._selector.select(left if self._there else min(left, LOOK))
            if not self._there:
                self._look()
        return not self.silent

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._arrived()
        self._selector.close()
        self._started.end()

    def logged_in(self) -> bool:
        """Return whether the login has worked."""
        if not self._there and self._started.log.logged_in():
            self._arrived()
        return self._there

    def asking(self) -> bool:
        """Return whether the user is being asked for a password."""
        return self._asking()

    # -- internal

    def _watch(self) -> None:
        for number, stream in enumerate((self._started.out, self._started.err)):
            self._selector.register(stream, selectors.EVENT_READ, number)

    def _arrived(self) -> None:
        """Note that the login has worked, or never will."""
        with self._lock:
            was_there, self._there, self._said = self._there, True, None
        if not was_there:
            self._tell()

    def _close_input(self) -> None:
        stdin = self._started.process.stdin
        assert stdin is not None
        with suppress(BrokenPipeError):
            stdin.close()

    def _push(self, wait: float = 0.0) -> None:
        """Write pending input, as far as the process accepts it. wait: seconds for it to start reading."""
        stdin = self._started.stdin
        with selectors.DefaultSelector() as ready:
            if wait:
                for fd in (self._started.out, self._started.err):
                    ready.register(fd, selectors.EVENT_READ)
                ready.register(stdin, selectors.EVENT_WRITE)
                ready.select(wait)
        with self._lock:
            try:
                while self._pending:
                    del self._pending[: os.write(stdin, self._pending[:PIECE])]
            except BlockingIOError:
                return
            except OSError:
                # it has ended: a replacement gets all input again
                self._pending.clear()
            if self._ended_input:
                self._close_input()

    def _write(self, started: Started, data: memoryview) -> None:
        """Write to a process, and read its output in between: it might wait for that to be read."""
        self._last = time.monotonic()
        with selectors.DefaultSelector() as writable:
            try:
                writable.register(started.stdin, selectors.EVENT_WRITE)
            except (ValueError, KeyError, PermissionError):
                return
            while data and started is self._started and not self._closed:
                try:
                    data = data[os.write(started.stdin, data[:PIECE]) :]
                    self._last = time.monotonic()
                    continue
                except BlockingIOError:
                    pass
                except OSError:
                    # it has ended: `wait` returns its last output, then the end
                    return
                self._drain()
                writable.select(LOOK)
                if time.monotonic() - self._last > SILENCE and self._there:
                    self.silent = True
                    started.process.kill()
                    return

    def _drain(self) -> None:
        with self._lock:
            for fd, into in zip((self._started.out, self._started.err), self._drained):
                piece = read(fd)
                if piece:
                    into += piece
                    self._last = time.monotonic()

    def _take(self) -> bool:
        """Move what has arrived to `out` and `err`; return False if nothing has, and more may come."""
        with self._lock:
            found = False
            for drained, into in zip(self._drained, (self.out, self.err)):
                into += drained
                found = found or bool(drained)
                drained.clear()
            out, err = read(self._started.out), read(self._started.err)
            self.out += out or b""
            self.err += err or b""
        if out or err or found:
            self._last = time.monotonic()
            if out:
                self._arrived()
            return True
        if out is None:
            return False
        return self._at_end()

    def _at_end(self) -> bool:
        """Handle the end of a process: return True at the final end, False if another process has started."""
        with suppress(subprocess.TimeoutExpired):
            self._started.process.wait(END_TIMEOUT)
        rest = read(self._started.err)
        if rest:
            self.err += rest
        if not self.logged_in() and not self._closed:
            following = self._again(self._started, self.err.decode(errors="replace"), self._tries)
            if isinstance(following, Started):
                self._replace(following)
                return False
            self.failure = following
            self._arrived()
        self.eof = True
        return True

    def _look(self) -> None:
        """Check the progress of a login, and give up a kept connection that does not answer."""
        started = self._started
        if self.logged_in():
            return
        if time.monotonic() - started.began > MASTER_TIMEOUT and started.log.used_master():
            started.process.kill()

    def _replace(self, following: Started) -> None:
        """Give another process all the input of the previous one."""
        self._selector.close()
        self._started.end()
        with self._lock:
            self._tries += 1
            self._started = following
            self.out.clear()
            self.err.clear()
            self._pending = bytearray().join(self._said or ())
        self._selector = selectors.DefaultSelector()
        self._watch()
        self._push()


def read(fd: int) -> bytes | None:
    """Return what can be read at once; b"" at the end, None if nothing has arrived."""
    try:
        return os.read(fd, PIECE)
    except BlockingIOError:
        return None
    except OSError:
        return b""
