"""Asking hosts for pages from outside, as a browser would that trusts the private CA."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

from websockets.asyncio.client import connect


@dataclass(frozen=True)
class Site:
    """Where a domain is served. ca: the certificate of the authority that is trusted.

    prefix: stands before each path, as "/shop".  tls: whether it is served by https.
    person: without its ending, the key and certificate that the client shows.
    """

    address: str
    domain: str
    ca: Path
    prefix: str = ""
    tls: bool = True
    person: Path | None = None

    def get(
        self,
        path: str = "/",
        *,
        tls: bool | None = None,
        timeout: float = 10,
        headers: Mapping[str, str] | None = None,
        login: str = "",
        body: bytes | None = None,
    ) -> Answer:
        """Ask for a page, or post a body; the certificate has to be good for the domain. login: NAME:PASSWORD.
        tls: instead of the site's own. Raises OSError."""
        connection = http.client.HTTPConnection(self.domain, timeout=timeout)
        connection.sock = self.connected(timeout, tls=tls)
        said = dict(headers or {})
        if login:
            said["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        try:
            connection.request("GET" if body is None else "POST", self.prefix + path, body, said)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def arrivals(self, path: str, most: int | None = None) -> list[float]:
        """When each line `data: ...` of a stream of events arrived, in seconds. most: hang up after this many."""
        connection = http.client.HTTPConnection(self.domain, timeout=10)
        connection.sock = self.connected(10)
        try:
            connection.request("GET", self.prefix + path)
            response = connection.getresponse()
            events = (line for line in response if line.startswith(b"data:"))
            return [time.monotonic() for _ in islice(events, most)]
        finally:
            connection.close()

    def said(self, path: str, word: str, visitors: int = 1) -> list[str]:
        """What WebSockets on pages of this site hear when the first of them says something."""
        return asyncio.run(self._said(path, word, visitors))

    async def _said(self, path: str, word: str, visitors: int) -> list[str]:
        # not with websockets' own threads: CPython 3.11 loses data when one reads from a TLS socket to which
        # another one writes
        context, scheme = self._context(self.tls), "s" if self.tls else ""
        async with contextlib.AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(
                    connect(
                        f"ws{scheme}://{self.domain}{self.prefix}{path}",
                        host=self.address,
                        origin=f"http{scheme}://{self.domain}",  # type: ignore[arg-type]
                        ssl=context,
                    )
                )
                for _ in range(visitors)
            ]
            await sockets[0].send(word)
            return [str(await asyncio.wait_for(each.recv(), 10)) for each in sockets]

    def up_within(self, seconds: float, path: str = "/healthz") -> bool:
        """Whether it answers 200 within these seconds."""
        end = time.monotonic() + seconds
        while True:
            # a front that starts is not there, or answers for an application that is not
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get(path).status == 200:
                    return True
            if time.monotonic() > end:
                return False
            time.sleep(0.1)

    def serial(self) -> int:
        """Serial number of the certificate that is served."""
        with self.connected(10) as tls:
            assert isinstance(tls, ssl.SSLSocket)
            certificate = tls.getpeercert()
        assert certificate
        return int(str(certificate["serialNumber"]), 16)

    def connected(self, timeout: float, *, tls: bool | None = None, protocol: str = "") -> socket.socket:
        """A connection to it. tls: instead of the site's own.  protocol: the one to agree on. Raises OSError."""
        context = self._context(self.tls if tls is None else tls)
        if context and protocol:
            context.set_alpn_protocols([protocol])
        plain = socket.create_connection((self.address, 443 if context else 80), timeout=timeout)
        if context is None:
            return plain
        try:
            return context.wrap_socket(plain, server_hostname=self.domain)
        except BaseException:
            plain.close()
            raise

    def _context(self, tls: bool) -> ssl.SSLContext | None:
        if not tls:
            return None
        context = ssl.create_default_context(cafile=str(self.ca))
        if self.person is not None:
            context.load_cert_chain(self.person.with_suffix(".crt"), self.person.with_suffix(".key"))
        return context


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def title(self) -> str:
        found = re.search(r"<title>(.*?)</title>", self.text, re.DOTALL)
        return found.group(1).strip() if found else ""

    def json(self) -> Any:
        """What the text says, if it is JSON."""
        return json.loads(self.text)


class Visitors:
    """Ask for a page over and over while entered. answers: of every request. Each has a connection of its own."""

    def __init__(self, site: Site, path: str = "/", count: int = 2) -> None:
        self._site = site
        self._path = path
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]
        self.answers: list[Any] = []
        self._good: list[float] = []

    @property
    def lost(self) -> list[Any]:
        """The answers that were not the page."""
        return [answer for answer in self.answers if answer != 200]

    @property
    def silence(self) -> float:
        """Seconds of the longest time in which no one got the page."""
        good = sorted(self._good)
        return max(after - before for before, after in pairwise(good))

    def _ask(self) -> None:
        while not self._over.wait(0.01):
            try:
                self.answers.append(self._site.get(self._path).status)
            except (OSError, http.client.HTTPException) as error:
                self.answers.append(error)
            if self.answers[-1] == 200:
                self._good.append(time.monotonic())

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(15)
