"""A host that says whatever a test wants, and the session that has to live with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from provision.controller.channel import LoggedIn
from provision.controller.events import Event
from provision.controller.login import Login
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.steps.files import File
from provision.system.frames import LENGTHS, MARKER, pack

FACTS: dict[str, Any] = {
    "distribution": "debian", "version": "12", "codename": "bookworm", "family": "debian", "architecture": "x86_64",
    "kernel": "6.1", "hostname": "h", "cpus": 1, "memory_mb": 1, "addresses": ["192.0.2.1"], "python": "3.11.2",
    "python_path": "/usr/bin/python3", "init": "systemd", "user": "root", "login_user": "root",
}  # fmt: skip
HELLO: dict[str, Any] = {"op": "hello", "version": 1, "facts": FACTS, "boot": "b", "clock": 1.0}
OK: dict[str, Any] = {"op": "outcome", "id": 1, "state": "ok", "ms": 1.0}
BYE: dict[str, Any] = {"op": "bye"}


class Liar(LoggedIn):
    """A channel on which someone says what a test wants, whatever is sent to it."""

    def __init__(self, says: Iterable[bytes], *, err: Iterable[bytes] = (), greets: bool = True) -> None:
        self.out, self.err = bytearray(), bytearray(b"PROV:shell\n" if greets else b"")
        self.eof = self.silent = self.closed = False
        self.sent = bytearray()
        self._says: Iterator[bytes] = iter(says)
        self._err: Iterator[bytes] = iter(err)

    def send(self, data: bytes) -> None:
        self.sent += data

    def end_input(self) -> None:
        """Nobody listens."""

    def wait(self, timeout: float) -> bool:
        said, complained = next(self._says, None), next(self._err, b"")
        self.out += said or b""
        self.err += complained
        self.eof = said is None and not complained
        return True

    def close(self) -> None:
        self.closed = True


class Mute(Liar):
    """One on which no one ever says anything."""

    def wait(self, timeout: float) -> bool:
        time.sleep(min(timeout, 0.01))
        return False


def frames(*heads: dict[str, Any] | bytes) -> bytes:
    """Messages, or bytes as they are."""
    return b"".join(head if isinstance(head, bytes) else pack(head) for head in heads)


def raw(header: str | bytes, payload: bytes = b"") -> bytes:
    """A frame with a header that need not be JSON."""
    data = header.encode() if isinstance(header, str) else header
    return LENGTHS.pack(len(data), len(payload)) + data + payload


def without(head: dict[str, Any], *names: str) -> dict[str, Any]:
    """A message that lacks some of its fields."""
    return {name: value for name, value in json.loads(json.dumps(head)).items() if name not in names}


def session(channel: Liar, emit: Callable[[Event], None] = lambda event: None) -> Session:
    """A session with it."""
    return Session("web1", lambda command: channel, Login(), RunOptions(emit=emit, who="test"))


def one_step(*heads: dict[str, Any] | bytes, endless: Iterable[bytes] = ()) -> list[Event]:
    """Everything said about a run of one step. Raises what ends it."""
    told: list[Event] = []
    found = session(Liar(chain([MARKER + frames(*heads)], endless)), told.append)
    found.submit(File("/srv/x", "text"))
    try:
        found.finish()
    finally:
        found.abandon()
    return told
