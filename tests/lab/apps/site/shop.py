"""An ASGI application that says what reached it, and answers WebSockets."""

from __future__ import annotations

import json
from typing import Any


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        return
    if scope["type"] != "http":
        return
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    said = {name.decode(): value.decode() for name, value in scope["headers"]}
    seen = {"path": scope["path"], "host": said["host"], "scheme": scope["scheme"], "received": size}
    headers = [
        (b"x-frame-options", b"SAMEORIGIN"),
        (b"x-powered-by", b"shop"),
        (b"content-type", b"text/plain"),
    ]
    if scope["path"] == "/api/large":
        headers.append((b"x-large", b"x" * 31000))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})
