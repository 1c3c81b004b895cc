"""Waits until something answers; called through `wait`. Shipped to hosts (Python 3.8, standard library)."""

import re
import socket
import time
from typing import TYPE_CHECKING, Callable, List, Mapping, Optional, Sequence
from urllib.parse import urlsplit

from provision.errors import StepError
from provision.steps.base import Diff, Step, check_path, check_seconds, check_text, wanted

if TYPE_CHECKING:
    from http.client import HTTPConnection
    from ssl import SSLContext

    from provision.system.host import System

#: seconds between looks: at first, and at most
PAUSE = 0.05
LONGEST_PAUSE = 1.0
#: statuses by which a server says that it will answer later (RFC 9110, 15)
LATER = (408, 425, 429, 502, 503, 504)
#: after this many seconds of always the same error, the wait ends
SAME = 10.0
#: after this many restarts of a service, the wait ends
MOST_STARTS = 3
TRACEBACK = "Traceback (most recent call last):"
#: how many journal lines are shown, and how many are searched
SHOWN, LOOKED_THROUGH = 40, 4000


@wanted()
class Url(Step):
    """A URL that answers, requested from the host itself.

    url: http or https.  socket: path of a Unix socket to connect to instead of the URL's address.
    address: where to connect instead of the URL's host, such as "127.0.0.1".
    expect: acceptable statuses; empty means any below 400.  headers: of the request.
    contains: a regular expression that must match in the body (its first MiB).
    ca: file of certificates to verify https with, instead of the system's.  within: seconds to keep trying.
    service: the unit behind it. Once the unit has failed, keeps restarting, or has answered with the same
    error for ten seconds, the wait ends early; its journal is shown from the first traceback on.
    """

    url: str
    socket: str = ""
    address: str = ""
    expect: Sequence[int] = ()
    headers: Mapping[str, str] = ()  # type: ignore[assignment]
    ca: str = ""
    within: float = 30
    service: str = ""
    contains: str = ""

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
        check_pattern(self.contains, "contains")
        check_seconds(self.within, "within")

    def check(self, host: "System") -> Diff:
        if host.planned:
            return Diff.none("asked only in a deploy")
        end = time.monotonic() + self.within
        pause = 0.02
        behind = Behind(host, self.service)
        while True:
            problem = self.asked()
            if not problem:
                return Diff.none("answers")
            given_up = behind.hopeless(problem) if self.service and pause > 0.3 else ""
            if given_up or time.monotonic() + pause > end:
                break
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)
        raise StepError(
            "%s does not answer as it should within %g s: %s" % (self.url, self.within, given_up or problem),
            stderr=behind.journal() if self.service else "",
            hint="The lines above are from the journal of %s." % self.service if self.service else "",
        )

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("waiting changes nothing")

    def asked(self) -> str:
        """Return "" if the answer is as expected, else what is wrong."""
        # imported here, because only hosts that ask need it, and the controller does not
        from http.client import HTTPException

        parts = urlsplit(self.url)
        try:
            connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
            try:
                path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
                connection.request("GET", path, headers={"User-Agent": "prov", **dict(self.headers)})
                response = connection.getresponse()
                body = response.read(1024 * 1024)
            finally:
                connection.close()
        except (OSError, HTTPException) as error:
            return str(error) or type(error).__name__
        good = response.status in self.expect if self.expect else response.status < 400
        if not good:
            return "status %d %s" % (response.status, response.reason)
        if not re.search(self.contains.encode(), body, re.MULTILINE):
            return "status %d, and nothing in its %d bytes matches %r" % (
                response.status,
                len(body),
                self.contains,
            )
        return ""

    def _connection(self, scheme: str, name: str, port: Optional[int]) -> "HTTPConnection":
        from http.client import HTTPConnection

        context = self._tls() if scheme == "https" else None
        port = port or (443 if context else 80)
        plain = (
            unix_socket(self.socket)
            if self.socket
            else socket.create_connection((self.address or name, port), 10)
        )
        plain.settimeout(10)
        connection = HTTPConnection(name, port, timeout=10)
        connection.sock = context.wrap_socket(plain, server_hostname=name) if context else plain
        return connection

    def _tls(self) -> "SSLContext":
        import ssl

        return ssl.create_default_context(cafile=self.ca or None)


class Behind:
    """The service behind the URL: whether to keep waiting for it, and what it has logged."""

    def __init__(self, host: "System", service: str) -> None:
        self._host = host
        self._service = service
        #: time of each start that was seen
        self._starts: List[str] = []
        #: the last answer, and since when it has been the same
        self._same = ("", 0.0)

    def hopeless(self, problem: str) -> str:
        """Return why to stop waiting; "" to continue. problem: what is wrong with the latest answer."""
        self._host.units.forget()
        state = self._host.units.state(self._service)
        if state.invocation and state.invocation not in self._starts:
            self._starts.append(state.invocation)
        if state.active == "failed":
            return "%s has failed" % self._service
        if len(self._starts) > MOST_STARTS:
            return "%s keeps starting again; last: %s" % (self._service, problem)
        if problem != self._same[0]:
            self._same = (problem, time.monotonic())
        status = re.match(r"status (\d+)", problem)
        if status and int(status.group(1)) not in LATER and time.monotonic() - self._same[1] > SAME:
            return "%s, for %g s" % (problem, SAME)
        return ""

    def journal(self) -> str:
        """Return its log since its first start: from the first traceback on, or else the last lines."""
        state = self._host.units.state(self._service)
        start = (*self._starts, state.invocation)[0]
        if not start:
            return self._host.units.journal(self._service)
        argv = ["journalctl", "_SYSTEMD_INVOCATION_ID=%s" % start, "+"]
        argv += ["INVOCATION_ID=%s" % start, "-n", str(LOOKED_THROUGH), "--no-pager", "-o", "cat"]
        lines = self._host.ask(argv, timeout=20).stdout.strip().splitlines()
        first = next((n for n, line in enumerate(lines) if TRACEBACK in line), None)
        if first is None:
            return "\n".join(lines[-SHOWN:])
        return "\n".join(lines[max(0, first - 1) :][:SHOWN])


@wanted()
class Port(Step):
    """A TCP port on which something listens, or nothing listens any more.

        wait.port(c, 5432)
        wait.port(c, 8000, closed=True, within=60)

    port: its number.  address: of this host, or of another host that this one can reach.
    closed: wait until nothing listens there.  within: seconds to keep trying.
    """

    port: int
    address: str = "127.0.0.1"
    within: float = 30
    closed: bool = False

    DEADLINE = 3600.0

    def label(self) -> str:
        return "wait for port %d%s" % (self.port, " to be closed" if self.closed else "")

    def validate(self) -> None:
        if not isinstance(self.port, int) or not 0 < self.port < 65536:
            raise ValueError("port must be a number from 1 to 65535, not %r" % (self.port,))
        check_text(self.address, "address")
        check_seconds(self.within, "within")

    def check(self, host: "System") -> Diff:
        what = "%s on %s port %d" % (
            "something listens" if self.closed else "nothing listens",
            self.address,
            self.port,
        )
        return waited(
            host, self._ask, self.within, what, "nothing listens" if self.closed else "something listens"
        )

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("waiting changes nothing")

    def _ask(self) -> str:
        try:
            socket.create_connection((self.address, self.port), 5).close()
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
            return "" if self.closed and refused else str(error)
        return "it was accepted" if self.closed else ""


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


# -- common to all waits


def waited(
    host: "System",
    look: Callable[[], str],
    within: float,
    what: str,
    good: str,
    longest: float = LONGEST_PAUSE,
) -> Diff:
    """Look until the state is as awaited. Raises StepError with what was last seen. A plan does not wait.

    look: returns "" if it is, else what it found instead.  what: the problem, for the error.  good: the
    reason for success.  longest: seconds between two looks at most.
    """
    if host.planned:
        return Diff.none("asked only in a deploy")
    end = time.monotonic() + within
    pause = min(PAUSE, longest)
    while True:
        host.files.forget()
        seen = look()
        if not seen:
            return Diff.none(good)
        left = end - time.monotonic()
        if left <= 0:
            raise StepError("%s after %g s: %s" % (what, within, seen))
        host.controller.progress(seen)
        time.sleep(min(pause, left))
        pause = min(longest, pause * 1.5)


def check_pattern(pattern: str, what: str) -> None:
    """Raise ValueError unless it is a regular expression, or ""."""
    if not isinstance(pattern, str):
        raise ValueError("%s must be a regular expression, not %r" % (what, pattern))
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError("%s is not a regular expression: %s" % (what, error)) from None
