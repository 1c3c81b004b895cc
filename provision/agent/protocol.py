"""Messages between controller and agent: a JSON header and raw payload, both of exact length. Shipped.

A frame is 8 bytes (header and payload length, big-endian), the header, the payload. Nothing depends on line
ends, and nothing is read past a frame. The first frame from the host is `hello` with the protocol's version,
after a marker that tells it from whatever a login shell may have printed.
"""

import json
import struct
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

VERSION = 1
MARKER = b"\0PROV-AGENT-1\0"
LENGTHS = struct.Struct(">II")
#: no header is larger; a larger one means that the stream is not ours
MAX_HEADER = 64 * 1024 * 1024
MAX_PAYLOAD = 8 * 1024 * 1024


class ProtocolError(Exception):
    """The other side does not speak this protocol, or stopped in the middle of a frame."""


class Frame(NamedTuple):
    """One message. head["op"] says which."""

    head: Dict[str, Any]
    payload: bytes = b""


def pack(head: Dict[str, Any], payload: bytes = b"") -> bytes:
    """A frame as it goes over the wire."""
    header = json.dumps(head, separators=(",", ":")).encode()
    return LENGTHS.pack(len(header), len(payload)) + header + payload


def unpack(data: Union[bytes, bytearray]) -> Tuple[Optional[Frame], int]:
    """The first frame in data and how many bytes it took; (None, 0) if it is not whole yet.

    Raises ProtocolError for lengths that no frame has, and for a header that is none.
    """
    if len(data) < LENGTHS.size:
        return None, 0
    header, payload = LENGTHS.unpack_from(data)
    if header > MAX_HEADER or payload > MAX_PAYLOAD:
        raise ProtocolError("a frame of %d + %d bytes" % (header, payload))
    end = LENGTHS.size + header + payload
    if len(data) < end:
        return None, 0
    middle = LENGTHS.size + header
    try:
        head = json.loads(bytes(data[LENGTHS.size : middle]))
    except (ValueError, RecursionError):
        raise ProtocolError("a header that is not JSON") from None
    if not isinstance(head, dict) or not isinstance(head.get("op"), str):
        raise ProtocolError("a header without an operation")
    return Frame(head, bytes(data[middle:end])), end


class Reader:
    """Takes frames out of a stream that arrives in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def skip_to_marker(self) -> bool:
        """Drop everything up to and including the marker; False if it has not arrived yet."""
        at = self._buffer.find(MARKER)
        if at < 0:
            return False
        del self._buffer[: at + len(MARKER)]
        return True

    def before_marker(self) -> bytes:
        """What arrived instead of the marker."""
        return bytes(self._buffer)

    def next(self) -> Optional[Frame]:
        """The next whole frame, or None. Raises ProtocolError."""
        if len(self._buffer) < LENGTHS.size:
            return None
        frame, used = unpack(self._buffer)
        del self._buffer[:used]
        return frame
