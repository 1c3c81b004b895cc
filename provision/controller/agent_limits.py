"""Limits on what an agent may send: a host that sends too much fails alone, and cannot exhaust memory."""

from __future__ import annotations

import time
from collections.abc import Callable

from provision.agent.protocol import (
    FROM_HOST,
    VERSION,
    Alive,
    Done,
    Hello,
    Message,
    Note,
    Prove,
    Refused,
    Running,
    Undeclared,
    message,
)
from provision.system.frames import Frame, ProtocolError

#: bytes of all messages of a session, because their contents are kept
MOST_BYTES = 512 * 1024 * 1024
#: unsolicited messages: size of a burst, and rate per second after it
BURST, RATE = 1000, 50.0
#: messages of the kinds that stay on the screen
MOST = {Note: 1000, Undeclared: 100_000, Prove: 10_000}
#: maximum progress updates per second
SHOWN = 5.0
CHATTER = (Running, Alive, Note)


class AgentLimits:
    """Checks the messages of one agent, in their order. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._greeted = False
        self._bytes = 0
        self._chatter = 0
        self._shown = 0.0
        self._counts = dict.fromkeys(MOST, 0)

    def message(self, frame: Frame, size: int) -> Message:
        """Return the message in a frame.

        size: its bytes. Raises ProtocolError for messages that an agent never sends.
        """
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise ProtocolError(f"more than {MOST_BYTES >> 20} MB")
        found = message(frame, FROM_HOST)
        self._in_order(found)
        self._counted(found)
        return found

    def worth_showing(self) -> bool:
        """Return whether to show progress now; updates that come too fast to read are dropped."""
        now = self._clock()
        if now - self._shown < 1 / SHOWN:
            return False
        self._shown = now
        return True

    def _in_order(self, found: Message) -> None:
        if isinstance(found, Hello):
            if self._greeted:
                raise ProtocolError("a second hello")
            if found.version != VERSION:
                raise ProtocolError(f"protocol version {found.version}, not {VERSION}")
            self._greeted = True
        elif not self._greeted and not isinstance(found, Refused):
            raise ProtocolError(f"a message {found.op!r} before its hello")
        if isinstance(found, Done) and (found.state == "failed") is (found.error is None):
            raise ProtocolError(f"an outcome {found.state!r} with the error of another one")

    def _counted(self, found: Message) -> None:
        if type(found) in self._counts:
            self._counts[type(found)] += 1
            if self._counts[type(found)] > MOST[type(found)]:
                raise ProtocolError(f"more than {MOST[type(found)]} messages {found.op!r}")
        if isinstance(found, CHATTER):
            self._chatter += 1
            if self._chatter > BURST + RATE * (self._clock() - self._began):
                raise ProtocolError(f"messages {found.op!r} without end")
