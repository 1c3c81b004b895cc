"""Requests that no honest client sends: bytes over TLS as they are, and frames of HTTP/2 made by hand."""

from __future__ import annotations

import json
import re
import ssl
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from helpers.web import Site
from provision.values import dataclass

Headers = Iterable[tuple[str, str]]
#: RFC 7540, 11.2 and 11.7
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
#: RFC 7541, Appendix A: answers by their index, and Appendix B: digits
STATUSES = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
DIGITS = {
    **{format(n, "05b"): str(n) for n in range(3)},
    **{format(0b011001 + n - 3, "06b"): str(n) for n in range(3, 10)},
}


@dataclass(frozen=True)
class Reply:
    """What came back. status: 0 if the connection was closed without an answer."""

    status: int
    body: bytes

    @property
    def seen(self) -> dict[str, Any] | None:
        """What the application says that it saw; None if someone else has answered."""
        if self.status != 200 or not self.body.startswith(b'{"path"'):
            return None
        found: dict[str, Any] = json.loads(self.body)
        return found


def plain(target: str, host: str, headers: Headers = (), method: str = "GET", body: str = "") -> bytes:
    """A request of HTTP/1.1 as it is said."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "Connection: close", "", body]).encode("latin-1")


def ask(site: Site, data: bytes, patience: float = 2) -> list[Reply]:
    """Send bytes on a connection of its own, and read until it is closed, or nothing comes for `patience` seconds."""
    found = b""
    try:
        with site.connected(2, protocol="http/1.1") as connection:
            connection.sendall(data)
            connection.settimeout(patience)
            while True:
                more = connection.recv(65536)
                if not more:
                    break
                found += more
    except (TimeoutError, ConnectionError, ssl.SSLError):
        # cut off: what came before counts
        return replies(found)
    return replies(found)


def replies(data: bytes) -> list[Reply]:
    """The answers of HTTP/1.1 in a stream."""
    found = []
    while data.startswith(b"HTTP/"):
        head, _, rest = data.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
            body, data = unchunked(rest)
        elif length:
            body, data = rest[: int(length.group(1))], rest[int(length.group(1)) :]
        else:
            body, data = rest, b""
        found.append(Reply(status, body))
    return found


def unchunked(data: bytes) -> tuple[bytes, bytes]:
    """A body in chunks, and what comes after it (RFC 9112, 7.1)."""
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        number = int(size.split(b";")[0] or b"0", 16)
        if number == 0:
            return body, data.removeprefix(b"\r\n")
        body, data = body + data[:number], data[number + 2 :]
    return body, data


# -- HTTP/2


def ask2(site: Site, headers: Sequence[tuple[str, str]], body: bytes = b"") -> Reply:
    """One request over HTTP/2 with just these header fields, pseudo-headers among them, as they are."""
    block = b"".join(b"\x10" + text(name) + text(value) for name, value in headers)
    flags = END_HEADERS | (0 if body else END_STREAM)
    sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) + frame(HEADERS, flags, 1, block)
    if body:
        sent += frame(DATA, END_STREAM, 1, body)
    # a stream that ends: by data, by headers, by a reset, or with the connection
    return read2(exchange2(site, sent))


def exchange2(site: Site, data: bytes) -> bytes:
    """Send frames, and read until stream 1 has ended or the connection is closed."""
    found = b""
    try:
        with site.connected(2, protocol="h2") as connection:
            connection.sendall(data)
            while not any(over(*one[:3]) for one in frames(found)):
                more = connection.recv(65536)
                if not more:
                    break
                found += more
    except (TimeoutError, ConnectionError, ssl.SSLError):
        return found
    return found


def over(kind: int, flags: int, stream: int) -> bool:
    """Whether a frame ends stream 1."""
    ends = kind in (DATA, HEADERS) and flags & END_STREAM
    return kind == GOAWAY or (stream == 1 and (kind == RST_STREAM or bool(ends)))


def text(value: str) -> bytes:
    """A string literal of HPACK without Huffman's code (RFC 7541, 5.2)."""
    data = value.encode("latin-1")
    size = len(data)
    if size < 127:
        return bytes([size]) + data
    head, size = b"\x7f", size - 127
    while size >= 128:
        head, size = head + bytes([size % 128 + 128]), size // 128
    return head + bytes([size]) + data


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2 (RFC 7540, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def frames(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Whole frames in a stream: kind, flags, stream, payload."""
    found = []
    while len(data) >= 9:
        size = int.from_bytes(data[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", data[3:9])
        if len(data) < 9 + size:
            break
        found.append((kind, flags, stream, data[9 : 9 + size]))
        data = data[9 + size :]
    return found


def read2(data: bytes) -> Reply:
    """The answer on stream 1."""
    status, body = 0, b""
    for kind, _, stream, payload in frames(data):
        if stream == 1 and kind == HEADERS:
            status = status_of(payload)
        elif stream == 1 and kind == DATA:
            body += payload
    return Reply(status, body)


def status_of(block: bytes) -> int:
    """The first field of a header block, which is :status."""
    while block[0] & 0xE0 == 0x20:
        # a change of the table's size (RFC 7541, 6.3); servers here tell small ones in a byte or two
        block = (
            block[2:] if block[0] == 0x3F and block[1] < 128 else block[3:] if block[0] == 0x3F else block[1:]
        )
    if block[0] in STATUSES:
        return STATUSES[block[0]]
    # a literal with the name of entry 8: length, perhaps in Huffman's code, and three digits
    size, value = block[1] & 0x7F, block[2 : 2 + (block[1] & 0x7F)]
    if not block[1] & 0x80:
        return int(value)
    bits, digits = "".join(format(byte, "08b") for byte in value[:size]), ""
    while len(digits) < 3:
        code = next(code for code in DIGITS if bits.startswith(code))
        digits, bits = digits + DIGITS[code], bits[len(code) :]
    return int(digits)
