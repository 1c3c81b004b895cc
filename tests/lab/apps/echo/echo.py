"""An application that says what its server told it, by either interface; it answers every path."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

HEADERS = [("Content-Type", "application/json")]


def wsgi(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
    """PEP 3333."""
    headers = {key[5:]: value for key, value in environ.items() if key.startswith("HTTP_")}
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    told = {
        "path": environ["PATH_INFO"],
        "prefix": environ["SCRIPT_NAME"],
        "client": environ.get("REMOTE_ADDR"),
        "user": environ.get("REMOTE_USER"),
        "scheme": environ["wsgi.url_scheme"],
        "method": environ["REQUEST_METHOD"],
    }
    start("200 OK", HEADERS)
    return [answer(told, headers, body)]


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """The ASGI specification, "HTTP & WebSocket Message Format"."""
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        headers[key] = ", ".join(filter(None, [headers.get(key), value.decode("latin-1")]))
    body = b""
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    told = {
        "path": scope["path"],
        "prefix": scope.get("root_path", ""),
        "client": (scope.get("client") or [None])[0],
        "user": None,
        "scheme": scope["scheme"],
        "method": scope["method"],
    }
    start = {"type": "http.response.start", "status": 200}
    await send({**start, "headers": [(name.lower().encode(), value.encode()) for name, value in HEADERS]})
    await send({"type": "http.response.body", "body": answer(told, headers, body)})


def answer(told: dict[str, Any], headers: dict[str, str], body: bytes) -> bytes:
    """What a framework would read: headers as CGI calls them, several of one name joined."""
    if told["path"] == "/environment":
        own = {name: value for name, value in os.environ.items() if name.startswith("NASTY_")}
        return json.dumps({"environment": own, "search": sys.path, "here": str(Path.cwd())}).encode()
    seen = {**told, "host": headers.get("HOST"), "headers": headers, "received": len(body)}
    return json.dumps(seen).encode()
