"""Frames out of what a host sends, after whatever its login shell has printed. Their form is in frames.py."""

from __future__ import annotations

from provision.system.frames import LENGTHS, MARKER, Frame, unpack


class FrameReader:
    """Takes frames out of a stream that arrives in pieces. taken: bytes of the last one."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.taken = 0
        self._searched = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def skip_to_marker(self) -> bool:
        """Drop everything up to and including the marker; return False if it has not arrived."""
        at = self._buffer.find(MARKER, self._searched)
        if at < 0:
            # the marker's beginning may have arrived
            self._searched = max(0, len(self._buffer) - len(MARKER) + 1)
            return False
        del self._buffer[: at + len(MARKER)]
        return True

    def before_marker(self) -> bytes:
        """Return what arrived instead of the marker."""
        return bytes(self._buffer)

    def next(self) -> Frame | None:
        """Return the next complete frame, or None. Raises ProtocolError."""
        if len(self._buffer) < LENGTHS.size:
            return None
        frame, self.taken = unpack(self._buffer)
        del self._buffer[: self.taken]
        return frame
