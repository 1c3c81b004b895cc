"""Frames between controller and agent: a JSON header and raw payload, both of exact length. Shipped.

A frame is 8 bytes (header and payload length, big-endian), the header, the payload. Nothing depends on line
ends, and no read goes past a frame. protocol.py defines the headers' meaning.
"""

import json
import re
import struct
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

MARKER = b"\0PROV-AGENT-1\0"
LENGTHS = struct.Struct(">II")
#: bytes; a longer header means that the stream is not prov's
MAX_HEADER = 64 * 1024 * 1024
MAX_PAYLOAD = 8 * 1024 * 1024
#: a header of LARGE bytes may hold MANY values, because each takes about a hundred bytes once parsed
LARGE, MANY = 1024 * 1024, 500_000
STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
LONGEST_NUMBER = 100


class ProtocolError(Exception):
    """The other side does not speak this protocol, or stopped in the middle of a frame."""


class Frame(NamedTuple):
    """One message. head["op"] is its name."""

    head: Dict[str, Any]
    payload: bytes = b""


def pack(head: Dict[str, Any], payload: bytes = b"") -> bytes:
    """Return a frame as bytes for the wire."""
    header = json.dumps(head, separators=(",", ":")).encode()
    return LENGTHS.pack(len(header), len(payload)) + header + payload


def unpack(data: Union[bytes, bytearray]) -> Tuple[Optional[Frame], int]:
    """Return the first frame in data and its number of bytes; (None, 0) if it is not complete.

    Raises ProtocolError for impossible lengths, and for an invalid header.
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
    head = parse(bytes(data[LENGTHS.size : middle]))
    if not isinstance(head, dict) or not isinstance(head.get("op"), str):
        raise ProtocolError("a header without an operation")
    return Frame(head, bytes(data[middle:end])), end


def parse(header: bytes) -> Any:
    """Parse JSON that pack has written.

    Raises ProtocolError for invalid JSON, and for JSON that would exhaust memory.
    """
    try:
        if len(header) > LARGE:
            bare = STRINGS.sub(b"", header)
            if bare.count(b",") + bare.count(b"[") + bare.count(b"{") > MANY:
                raise ProtocolError("a header of too many values")
        return json.loads(
            header.decode(),
            object_pairs_hook=_once,
            parse_int=_whole,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError):
        raise ProtocolError("a header that is not JSON") from None


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice")
    return found


def _whole(text: str) -> int:
    # int() takes quadratic time for long numbers
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number of %d digits" % len(text))
    return int(text)


def _refuse(word: str) -> None:
    raise ValueError("%s is not JSON" % word)
