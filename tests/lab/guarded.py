"""A web server that wants a password, and notes what every user of this machine could see in the meantime."""

from __future__ import annotations

import base64
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(SimpleHTTPRequestHandler):
    """Serves files to whom it knows."""

    known: Mapping[str, str]
    seen: set[bytes]

    def do_GET(self) -> None:
        self.seen.update(arguments())
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        user, _, word = base64.b64decode(given).decode().partition(":")
        if self.known.get(user) != word or not user:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def shopdep(folder: Path) -> None:
    """Make an index of packages with one that is called shopdep, in simple/ of the folder."""
    place = folder / "simple/shopdep"
    place.mkdir(parents=True)
    info = "shopdep-1.0.dist-info"
    with zipfile.ZipFile(place / "shopdep-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("shopdep.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: shopdep\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")


def arguments() -> Iterator[bytes]:
    """The arguments of every process (proc(5))."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


@contextmanager
def guarded(
    folder: Path, known: Mapping[str, str], address: str = "127.0.0.1"
) -> Iterator[tuple[str, set[bytes]]]:
    """Serve a folder: gives "ADDRESS:PORT", and the arguments of all processes of this machine that were seen.

    known: names and their passwords.  address: of this machine.
    """
    handler = type("Here", (Handler,), {"known": known, "seen": set()})
    server = ThreadingHTTPServer((address, 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{address}:{server.server_port}", handler.seen  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
