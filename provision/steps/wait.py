"""Waiting until something answers. Never a change. Shipped to hosts (Python 3.8, standard library)."""

import http.client
import socket
import ssl
import time
from typing import TYPE_CHECKING, Mapping, Optional, Sequence
from urllib.parse import urlsplit

from provision.errors import StepError
from provision.steps.base import Diff, Step, check_path, check_text, step, wanted

if TYPE_CHECKING:
    from provision.agent.system import System


@wanted()
class Url(Step):
    """A URL that answers, asked from the host itself.

    url: http or https.  socket: path of a Unix socket to ask instead of the URL's address.
    address: where to connect instead of the URL's host, such as "127.0.0.1".
    expect: acceptable statuses; empty means any below 400.  headers: of the request.
    ca: file of certificates to verify https with, instead of the system's.  within: seconds to keep trying.
    service: the unit behind it: once it has failed nobody waits any longer, and its journal is shown.
    """

    url: str
    socket: str = ""
    address: str = ""
    expect: Sequence[int] = ()
    headers: Mapping[str, str] = ()  # type: ignore[assignment]
    ca: str = ""
    within: float = 30
    service: str = ""

    DEADLINE = 3600.0

    def label(self) -> str:
        return "wait for %s" % (self.url if not self.socket else "%s at %s" % (self.url, self.socket))

    def validate(self) -> None:
        check_text(self.url, "url")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url must begin with http:// or https:// and name a host: %r" % self.url)
        if " " in self.url:
            raise ValueError("url must not contain spaces: %r" % self.url)
        # raises ValueError itself
        _ = parts.port
        if self.socket:
            check_path(self.socket, "socket")
        if self.ca:
            check_path(self.ca, "ca")

    def check(self, host: "System") -> Diff:
        if host.planned:
            return Diff.none("asked only in a deploy")
        end = time.monotonic() + self.within
        pause = 0.02
        while True:
            problem = self._ask()
            if not problem:
                return Diff.none("answers")
            if pause > 0.3 and self._has_failed(host):
                problem = "%s has failed" % self.service
                break
            if time.monotonic() + pause > end:
                break
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)
        raise StepError(
            "%s does not answer as it should within %g s: %s" % (self.url, self.within, problem),
            stderr=host.units.journal(self.service) if self.service else "",
            hint="The lines above are from the journal of %s." % self.service if self.service else "",
        )

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("waiting changes nothing")

    def _has_failed(self, host: "System") -> bool:
        """Whether systemd has given up on the unit."""
        if not self.service:
            return False
        host.units.forget()
        return host.units.state(self.service).active == "failed"

    def _ask(self) -> str:
        """ "" if the answer is as expected, else what is wrong."""
        parts = urlsplit(self.url)
        try:
            connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
            try:
                path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
                connection.request("GET", path, headers={"User-Agent": "prov", **dict(self.headers)})
                response = connection.getresponse()
                response.read(1024 * 1024)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        good = response.status in self.expect if self.expect else response.status < 400
        return "" if good else "status %d %s" % (response.status, response.reason)

    def _connection(self, scheme: str, name: str, port: Optional[int]) -> http.client.HTTPConnection:
        context = ssl.create_default_context(cafile=self.ca or None) if scheme == "https" else None
        port = port or (443 if context else 80)
        plain = (
            unix_socket(self.socket)
            if self.socket
            else socket.create_connection((self.address or name, port), 10)
        )
        plain.settimeout(10)
        connection = http.client.HTTPConnection(name, port, timeout=10)
        connection.sock = context.wrap_socket(plain, server_hostname=name) if context else plain
        return connection


@wanted()
class Port(Step):
    """A TCP port on which somebody listens. address: of this host.  within: seconds to keep trying."""

    port: int
    address: str = "127.0.0.1"
    within: float = 30

    def label(self) -> str:
        return "wait for port %d" % self.port

    def validate(self) -> None:
        if not isinstance(self.port, int) or not 0 < self.port < 65536:
            raise ValueError("port must be a number from 1 to 65535, not %r" % (self.port,))
        check_text(self.address, "address")

    def check(self, host: "System") -> Diff:
        if host.planned:
            return Diff.none("asked only in a deploy")
        end = time.monotonic() + self.within
        while True:
            try:
                socket.create_connection((self.address, self.port), 5).close()
                return Diff.none("somebody listens")
            except OSError as error:
                if time.monotonic() > end:
                    raise StepError(
                        "nobody listens on %s port %d after %g s: %s"
                        % (self.address, self.port, self.within, error)
                    ) from None
            time.sleep(0.1)

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("waiting changes nothing")


def unix_socket(path: str) -> socket.socket:
    """A connection to a Unix socket."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    found.settimeout(10)
    try:
        found.connect(path)
    except OSError:
        found.close()
        raise
    return found


url = step(Url)
port = step(Port)
