"""Connect to a web server over and over, as fast as one process can, and count what comes of each connection.

A program of its own too, for hosts (Python 3.8): `connections.py ADDRESS DOMAIN PATH` goes on until PATH is there, and
prints the counts as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"


class Connections:
    """Connections to port 80 while entered, in a tight loop for each thread.

    pause: seconds between a connection and its request, as browsers do that connect ahead.
    said: how often each answer's status came, or each error with what it interrupted.
    """

    def __init__(self, address: str, domain: str, threads: int = 2, pause: float = 0.0) -> None:
        self._address = address
        self._request = REQUEST % domain.encode()
        self._pause = pause
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._loop) for _ in range(threads)]
        self.said: Counter[str] = Counter()

    def _loop(self) -> None:
        while not self._over.is_set():
            self.said[self._once()] += 1

    def _once(self) -> str:
        what = "connect"
        try:
            with socket.create_connection((self._address, 80), timeout=10) as connection:
                what = "send"
                if self._pause:
                    time.sleep(self._pause)
                connection.sendall(self._request)
                what = "receive"
                return connection.recv(4096).partition(b"\r\n")[0].decode() or "nothing"
        except OSError as error:
            return f"{what}: {type(error).__name__}"

    def __enter__(self) -> Connections:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(15)


if __name__ == "__main__":
    with Connections(sys.argv[1], sys.argv[2], 1) as made:
        while not Path(sys.argv[3]).exists():
            time.sleep(0.1)
    sys.stdout.write(json.dumps(made.said))
