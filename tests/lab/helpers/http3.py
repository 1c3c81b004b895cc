"""A client of HTTP/3 (RFC 9114) on this machine, as few others speak it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent


class Asker(QuicConnectionProtocol):
    """Asks for one page."""

    answer: asyncio.Future[int]

    def ask(self, name: str, path: str) -> None:
        self.answer = asyncio.get_running_loop().create_future()
        self.http = H3Connection(self._quic)
        stream = self._quic.get_next_available_stream_id()
        asked = {":method": "GET", ":scheme": "https", ":authority": name, ":path": path}
        self.http.send_headers(stream, [(k.encode(), v.encode()) for k, v in asked.items()], end_stream=True)
        self.transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        if not hasattr(self, "http"):
            return
        for each in self.http.handle_event(event):
            if isinstance(each, HeadersReceived) and not self.answer.done():
                self.answer.set_result(int(dict(each.headers)[b":status"]))
        if isinstance(event, ConnectionTerminated) and not self.answer.done():
            self.answer.set_exception(ConnectionError(event.reason_phrase))


def status(address: str, name: str, ca: Path, path: str = "/", *, timeout: float = 10) -> int:
    """Return the status of an answer by HTTP/3 alone. Raises OSError if there is none.

    ca: what the server's certificate has to be from.
    """

    async def asked() -> int:
        configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name=name, is_client=True)
        configuration.load_verify_locations(cafile=str(ca))
        async with connect(address, 443, configuration=configuration, create_protocol=Asker) as asker:
            assert isinstance(asker, Asker)
            asker.ask(name, path)
            return await asker.answer

    return asyncio.run(asyncio.wait_for(asked(), timeout))
