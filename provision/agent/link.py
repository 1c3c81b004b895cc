"""The agent's end of the channel: reads and writes messages on its streams. Shipped."""

import queue
import threading
from typing import IO, Optional

from provision.agent.protocol import TO_HOST, Chunk, LoginVerdict, Message, Refused, Stop, message
from provision.system.frames import LENGTHS, MAX_HEADER, MAX_PAYLOAD, Frame, ProtocolError, unpack


class FrameLink:
    """Reads and writes frames on the agent's streams.

    A thread reads all the time, so that the controller's writes never wait for a step. Outgoing frames are
    buffered, and flushed when the agent is idle, with the heartbeat, or at once for urgent messages.
    """

    def __init__(self, incoming: IO[bytes], outgoing: IO[bytes]) -> None:
        self._in = incoming
        self._out = outgoing
        self._lock = threading.Lock()
        self._pending = bytearray()
        self.messages: "queue.Queue[Optional[Message]]" = queue.Queue()
        # bounded: a large file waits in the SSH window, not in memory
        self.chunks: "queue.Queue[Optional[Chunk]]" = queue.Queue(maxsize=16)
        self.verdicts: "queue.Queue[Optional[LoginVerdict]]" = queue.Queue()
        self.stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, sent: Message, flush: bool = False) -> None:
        """Queue a message. If the controller is gone, the reading thread notices."""
        with self._lock:
            self._pending += sent.packed()
        if flush or len(self._pending) > 65536:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            data, self._pending = self._pending, bytearray()
            if data:
                try:
                    self._out.write(data)
                    self._out.flush()
                except BrokenPipeError:
                    # the link is gone: the reader has set `stopping`, which ends the running step
                    self.stopping.set()

    def _read(self) -> None:
        try:
            while True:
                frame = self._frame()
                if frame is None:
                    break
                received = message(frame, TO_HOST)
                if isinstance(received, Stop):
                    self.stopping.set()
                elif isinstance(received, Chunk):
                    self.chunks.put(received)
                elif isinstance(received, LoginVerdict):
                    self.verdicts.put(received)
                else:
                    self.messages.put(received)
        except ProtocolError as error:
            self.send(Refused("the controller sent %s" % error), flush=True)
        finally:
            self.stopping.set()
            self.messages.put(None)
            self.chunks.put(None)
            self.verdicts.put(None)

    def _frame(self) -> Optional[Frame]:
        lengths = self._in.read(LENGTHS.size)
        if len(lengths) < LENGTHS.size:
            return None
        header, payload = LENGTHS.unpack(lengths)
        if header > MAX_HEADER or payload > MAX_PAYLOAD:
            raise ProtocolError("a frame of %d + %d bytes" % (header, payload))
        rest = self._in.read(header + payload)
        frame, _ = unpack(lengths + rest)
        return frame
