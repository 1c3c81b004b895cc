"""A WSGI application that says what reached it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


def app(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/stream":
        start("200 OK", [("Content-Type", "text/event-stream")])
        return events()
    if path == "/fails":
        start("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"the application's own words"]
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
    seen = {
        "path": path,
        "prefix": environ["SCRIPT_NAME"],
        "client": environ.get("HTTP_X_FORWARDED_FOR"),
        "scheme": environ["wsgi.url_scheme"],
        "host": environ["HTTP_HOST"],
        "connection": environ.get("HTTP_CONNECTION"),
        "received": len(body),
        "answer": time.time_ns(),
    }
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


def events() -> Iterator[bytes]:
    for number in range(3):
        yield b"data: %d\n\n" % number
        time.sleep(0.3)
