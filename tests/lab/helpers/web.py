"""Asking hosts for pages from outside, as a browser would that trusts the private CA."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Site:
    """Where a domain is served. ca: the certificate of the authority that is trusted."""

    address: str
    domain: str
    ca: Path

    def get(self, path: str = "/", *, tls: bool = True, timeout: float = 10) -> Answer:
        """Ask for a page; the certificate has to be good for the domain. Raises OSError."""
        connection = http.client.HTTPConnection(self.domain, timeout=timeout)
        connection.sock = self._connected(timeout, tls=tls)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read().decode())
        finally:
            connection.close()

    def serial(self) -> int:
        """Serial number of the certificate that is served."""
        with self._connected(10, tls=True) as tls:
            assert isinstance(tls, ssl.SSLSocket)
            certificate = tls.getpeercert()
        assert certificate
        return int(str(certificate["serialNumber"]), 16)

    def _connected(self, timeout: float, *, tls: bool) -> socket.socket:
        context = ssl.create_default_context(cafile=str(self.ca)) if tls else None
        plain = socket.create_connection((self.address, 443 if tls else 80), timeout=timeout)
        if context is None:
            return plain
        try:
            return context.wrap_socket(plain, server_hostname=self.domain)
        except BaseException:
            plain.close()
            raise


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str] = field(repr=False)
    text: str

    @property
    def title(self) -> str:
        found = re.search(r"<title>(.*?)</title>", self.text, re.DOTALL)
        return found.group(1).strip() if found else ""
