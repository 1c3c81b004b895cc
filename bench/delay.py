"""A TCP proxy that adds round-trip time and counts what passes. Runs as a process of its own:

    python -m bench.delay RTT_SECONDS ADDRESS:PORT:LISTEN...

First prints one line of JSON: the ports on 127.0.0.1, one for each target; LISTEN is the port, 0 for any. Then, for
each line on stdin, prints what has passed since the last one, as JSON; ends with stdin.

Each direction is delayed by half of RTT, in order. A connection costs one RTT before the first byte, as TCP's own
handshake would. A flight is what one side says after the other has spoken: those of the client are the round trips.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from dataclasses import dataclass

CHUNK = 1 << 16
#: bytes under way in one direction before no more is read
WINDOW = 16 << 20


@dataclass
class Counts:
    """What has passed. flights: of clients."""

    connections: int = 0
    sent: int = 0
    received: int = 0
    flights: int = 0


class Proxy:
    """One target."""

    def __init__(self, rtt: float, target: tuple[str, int], counts: Counts) -> None:
        self._rtt = rtt
        self._target = target
        self._counts = counts

    async def serve(self, port: int) -> int:
        """Listen; returns the port. port: 0 for any."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", port, backlog=1024)
        return int(server.sockets[0].getsockname()[1])

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        opened = loop.time()
        self._counts.connections += 1
        flow = Flow(self._counts)
        to_target = Direction(self._rtt / 2, opened + self._rtt)
        reading = asyncio.create_task(to_target.read(reader, lambda n: flow.client(n)))
        there = None
        try:
            # the last of the three packets of a handshake arrives after one and a half
            await asyncio.sleep(self._rtt * 1.5)
            back, there = await asyncio.open_connection(*self._target)
            no_delay(writer)
            no_delay(there)
            to_client = Direction(self._rtt / 2, opened)
            await asyncio.gather(
                reading,
                to_target.write(there),
                to_client.read(back, lambda n: flow.server(n)),
                to_client.write(writer),
            )
        except OSError:
            pass
        finally:
            reading.cancel()
            for end in (writer, there):
                if end is not None:
                    end.close()


class Flow:
    """Who spoke last on one connection."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._last = ""

    def client(self, size: int) -> None:
        self._counts.sent += size
        if self._last != "client":
            self._counts.flights += 1
        self._last = "client"

    def server(self, size: int) -> None:
        self._counts.received += size
        self._last = "server"


class Direction:
    """One direction: what is read comes out delay seconds later. since: nothing has entered before then."""

    def __init__(self, delay: float, since: float) -> None:
        self._delay = delay
        self._since = since
        self._queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WINDOW // CHUNK)

    async def read(self, reader: asyncio.StreamReader, count: object) -> None:
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            if data:
                count(len(data))  # type: ignore[operator]
            await self._queue.put((max(loop.time(), self._since) + self._delay, data))

    async def write(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._queue.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not data:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()


def no_delay(writer: asyncio.StreamWriter) -> None:
    """Send at once what is written."""
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def main(rtt: float, targets: list[tuple[str, int, int]]) -> None:
    """Serve until stdin ends. targets: address, port, and the port on which to listen for it."""
    counts = Counts()
    ports = [await Proxy(rtt, (address, port), counts).serve(listen) for address, port, listen in targets]
    put(ports)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        put(vars(counts))
        counts.__init__()  # type: ignore[misc]


def put(value: object) -> None:
    """A line of JSON."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    words = [target.rsplit(":", 2) for target in sys.argv[2:]]
    asyncio.run(
        main(float(sys.argv[1]), [(address, int(port), int(listen)) for address, port, listen in words])
    )
