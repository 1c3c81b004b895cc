"""A FastAPI application small enough to read at once: a page, an upload, a WebSocket, server-sent events."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

HERE = Path(__file__).parent

app = FastAPI(title="Hello from FastAPI")
app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")


@app.get("/")
async def index() -> FileResponse:
    return FileResponse(HERE / "index.html")


@app.get("/healthz")
async def healthz() -> PlainTextResponse:
    return PlainTextResponse("ok")


@app.get("/whoami")
async def whoami(request: Request) -> dict[str, str | None]:
    """What the application believes about its client: shows whether the front is believed, and only the front."""
    return {
        "client": request.client.host if request.client else None,
        "scheme": request.url.scheme,
        "host": request.headers["host"],
    }


@app.post("/upload")
async def upload(request: Request) -> dict[str, int | str]:
    """Tells size and hash of what is sent, which is never in memory as a whole."""
    size, digest = 0, hashlib.sha256()
    async for chunk in request.stream():
        size += len(chunk)
        digest.update(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


@app.get("/events")
async def events() -> StreamingResponse:
    """A count to ten as server-sent events, two a second."""

    async def ticks() -> AsyncIterator[str]:
        for number in range(1, 11):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.5)

    return StreamingResponse(ticks(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)
