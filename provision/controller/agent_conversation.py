"""The conversation with one agent: its start, the messages in both directions, and its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from provision.agent.protocol import Hello, Message
from provision.controller.agent_limits import AgentLimits
from provision.controller.agent_program import AgentProgram
from provision.controller.channel import SILENCE, Channel
from provision.controller.frame_reader import FrameReader
from provision.controller.login import LOOK, STOPPED, Login, silent
from provision.controller.run_options import RunOptions
from provision.errors import UnreachableError


class AgentConversation:
    """A conversation with one agent.

    installing: called with the last line of output while python3 is being installed.
    note: called with what users should know while they wait.
    clock_off: seconds that the host's clock is ahead of this machine's, or behind it if negative; at least, as
    messages take time.  ended: the agent sends nothing more.  python_came: python3 was missing and has been installed.
    """

    def __init__(
        self,
        login: Login,
        open_channel: Callable[[str], Channel],
        options: RunOptions,
        *,
        installing: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self.limits = AgentLimits()
        self.ended = self.python_came = False
        self.clock_off = 0.0
        self._began = time.time()
        self._tell_installing = installing
        self._reader = FrameReader()
        self._speaks = False
        self._stopped = False
        self._unanswered: list[bytes] | None = []
        self._sending = threading.Lock()
        self._starter = login.start(open_channel, options, note)

    @property
    def program(self) -> AgentProgram:
        """Return the program that starts the agent."""
        return self._starter.program

    def send(self, message: Message) -> None:
        """Send a message, from any thread."""
        data = message.packed()
        # a stop comes from another thread, and must not land in the middle of a frame
        with self._sending:
            if self._unanswered is not None:
                self._unanswered.append(data)
            self._starter.channel.send(data)

    def give_up_start(self) -> None:
        """Stop waiting for an agent that has not spoken yet; from any thread."""
        self._stopped = True

    def close(self) -> None:
        """Close the channel in whatever state it is."""
        self._starter.channel.close()

    def receive(self) -> Iterator[Message]:
        """Read once and return the complete messages; wait as long as a live agent may be silent.

        Raises UnreachableError, and ProtocolError for messages that an agent never sends.
        """
        data = self._read() if self._speaks else self._read_start()
        if not data and self._starter.channel.eof:
            self._at_end()
            return
        self._reader.feed(data)
        self._speaks = self._speaks or self._reader.skip_to_marker()
        if not self._speaks:
            self._starter.check_patience(self._reader.before_marker())
            return
        while (frame := self._reader.next()) is not None:
            message = self.limits.message(frame, self._reader.taken)
            if isinstance(message, Hello):
                self._unanswered = None
                self.clock_off = outside(message.clock, self._began, time.time())
                self.python_came = self._starter.installed()
            yield message

    def _read(self) -> bytes:
        channel = self._starter.channel
        if not channel.wait(SILENCE):
            raise silent(SILENCE)
        if self._unanswered is None:
            # the agent writes nothing to stderr; output of other programs there is ignored
            channel.err.clear()
        return taken(channel)

    def _read_start(self) -> bytes:
        channel = self._starter.channel
        while not channel.wait(LOOK):
            if channel.silent:
                raise silent(SILENCE)
            if self._stopped:
                raise UnreachableError(STOPPED)
            self._starter.check_patience(self._reader.before_marker())
        if self._stopped:
            raise UnreachableError(STOPPED)
        if text := self._starter.installing():
            self._tell_installing(text)
        return taken(channel)

    def _at_end(self) -> None:
        if not self._speaks and self._starter.retry():
            # the new process has the program, or sudo's password: send all earlier messages again
            for data in self._unanswered or ():
                self._starter.channel.send(data)
            return
        self.ended = True
        if not self._speaks:
            raise self._starter.explain(self._reader.before_marker())


def outside(moment: float, begin: float, end: float) -> float:
    """Return how far a moment is after an interval, or before it if negative; 0 inside."""
    return moment - min(max(moment, begin), end)


def taken(channel: Channel) -> bytes:
    """Return what has arrived."""
    data = bytes(channel.out)
    channel.out.clear()
    return data
