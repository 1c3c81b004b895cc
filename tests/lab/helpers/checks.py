"""What every combination of server, front and example has to do, whichever it is."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from helpers.combinations import STYLE, STYLE_NAME, Combination
from helpers.web import Site

LARGE = os.urandom(20 << 20)
LARGE_IS = {"bytes": len(LARGE), "sha256": hashlib.sha256(LARGE).hexdigest()}
YEAR = 365 * 24 * 3600


@dataclass(frozen=True)
class Served:
    """A combination where it is served."""

    combination: Combination
    site: Site


def page(served: Served) -> str:
    """Its page over HTTPS, by a certificate that is good for the domain; http leads there; HSTS."""
    answer = served.site.get("/")
    assert (answer.status, answer.title) == (200, served.combination.example.title)
    assert int(answer.headers["Strict-Transport-Security"].removeprefix("max-age=")) >= YEAR
    plain = served.site.get("/a?b=c", tls=False)
    assert (plain.status, plain.headers["Location"]) == (308, f"https://{served.site.domain}/a?b=c")
    return "yes"


def static(served: Served) -> str:
    """A stylesheet: whole, immutable as its name has a hash, and compressed for who takes that."""
    path = f"/static/{STYLE_NAME}"
    whole = served.site.get(path)
    assert (whole.status, whole.headers["Content-Type"].split(";")[0]) == (200, "text/css")
    assert whole.body == STYLE
    assert (
        "immutable" in whole.headers["Cache-Control"] and f"max-age={YEAR}" in whole.headers["Cache-Control"]
    )
    compressed = served.site.get(path, headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in compressed.headers["Vary"]
    assert gzip.decompress(compressed.body) == STYLE
    return "yes"


def upload(served: Served) -> str:
    """20 MiB arrive as they were sent; twice as much is above `max_body`, and refused."""
    answer = served.site.get("/upload", body=LARGE, timeout=30)
    assert (answer.status, answer.json()) == (200, LARGE_IS)
    assert served.site.get("/upload", body=LARGE * 2, timeout=30).status == 413
    return "yes"


def client(served: Served) -> str:
    """The application sees the client's address, https and the domain, whatever the client says of itself."""
    forged = {
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "other.test",
        "Forwarded": "for=198.51.100.7;proto=http",
        "X-Real-IP": "198.51.100.7",
    }
    seen = {"client": own_address(served.site.address), "scheme": "https", "host": served.site.domain}
    for headers in ({}, forged):
        assert served.site.get("/whoami", headers=headers).json() == seen
    return "yes"


def websocket(served: Served) -> str:
    """What one says comes back, in a chat to everyone."""
    example = served.combination.example
    if example.chats:
        heard = served.site.said(example.websocket, json.dumps({"text": "hello"}), visitors=2)
        assert [json.loads(text) for text in heard] == [{"text": "hello"}] * 2
    else:
        assert served.site.said(example.websocket, "hello") == ["hello"]
    return "yes"


def events(served: Served) -> str:
    """Server-sent events, half a second apart, come one by one."""
    times = served.site.arrivals(served.combination.example.events, most=3)
    assert times[2] - times[0] > 0.6, times
    return "yes"


def own_address(peer: str) -> str:
    """The address that this machine has for another one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect((peer, 9))
        return str(udp.getsockname()[0])


CHECKS: Mapping[str, Callable[[Served], str]] = {
    "page": page,
    "static": static,
    "upload": upload,
    "client": client,
    "websocket": websocket,
    "events": events,
}


def checks_of(combination: Combination) -> list[str]:
    """The names of those that its example has something for."""
    without = {"websocket": combination.example.websocket, "events": combination.example.events}
    return [name for name in CHECKS if without.get(name, "yes")]
