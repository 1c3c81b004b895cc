"""Downloads by the host, checked by hash. Shipped to hosts (Python 3.8, standard library)."""

import os
import re
import tempfile
import time
from typing import IO, TYPE_CHECKING, Mapping, Protocol, Union

from provision.errors import StepError
from provision.secrets import Secret, logins
from provision.steps.base import check_path, check_text
from provision.steps.support.archives import too_large
from provision.steps.support.file_changes import large_files, size_text
from provision.system.proxies import proxies
from provision.system.source import CHUNK

if TYPE_CHECKING:
    from provision.system.host import System

DIGEST = re.compile(r"^[0-9a-f]{64}\Z")
#: seconds until a connection that sends nothing is given up
SILENCE = 60.0
#: statuses after which a retry can help (RFC 9110, section 15.6; RFC 6585, section 4)
TRANSIENT = (408, 429, 500, 502, 503, 504)

Headers = Mapping[str, Union[str, Secret]]


class Request(Protocol):
    """A step that fetches a URL."""

    @property
    def url(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def attempts(self) -> int: ...
    @property
    def ca(self) -> str: ...
    @property
    def max_size(self) -> int: ...

    def deadline(self) -> float:
        """Return how many seconds it may take."""


def check_digest(sha256: str) -> None:
    """Raise ValueError unless it is a SHA-256 in hex."""
    if not isinstance(sha256, str) or not DIGEST.match(sha256):
        raise ValueError("sha256 must be 64 hex digits (as sha256sum prints them), not %r" % (sha256,))


def check_origin(url: str, sha256: str, headers: Headers, attempts: int, ca: str) -> None:
    """Raise ValueError unless it can be requested."""
    check_text(url, "url")
    if not re.match(r"^https?://[^/\s]+(/\S*)?\Z", url):
        raise ValueError("url must begin with http:// or https://, name a host and have no spaces: %r" % url)
    if logins(url):
        raise ValueError("url must not contain a login: pass a header, such as Authorization, as a Secret")
    check_digest(sha256)
    if not isinstance(attempts, int) or attempts < 1:
        raise ValueError("attempts must be 1 or more, not %r" % (attempts,))
    if ca:
        check_path(ca, "ca")
    for key, value in dict(headers).items():
        check_text(key, "name of a header")
        check_text(value.reveal() if isinstance(value, Secret) else value, "header %s" % key)


def check_size(size: int) -> None:
    """Raise ValueError unless it is a number of bytes."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError("max_size must be a number of bytes, not %r" % (size,))


def wrong_hash(origin: str, found: str, expected: str) -> StepError:
    """Return the error for contents with another hash than expected."""
    return StepError(
        "%s has another hash: %s, not %s" % (origin, found, expected),
        hint="Nothing has been changed. Is it a new version? Compare with what its publisher says.",
    )


def fetched(host: "System", s: Request) -> IO[bytes]:
    """Return the bytes of a step's URL in a nameless file, hash checked. Raises StepError."""
    pause = 1.0
    end = time.monotonic() + s.deadline()
    for attempt in range(1, s.attempts + 1):
        try:
            return attempt_fetch(host, s, end)
        except Transient as error:
            if attempt == s.attempts or time.monotonic() + pause > end:
                raise StepError(
                    "%s: %s (tried %d times)" % (s.url, error, attempt),
                    hint="The host itself asks: can it reach that address? Its proxy belongs in /etc/environment.",
                ) from None
            host.controller.progress("%s; trying again" % error)
            time.sleep(pause)
            pause *= 2
    raise AssertionError("attempts are counted")


class Transient(Exception):
    """A failure after which a retry can help."""


def attempt_fetch(host: "System", s: Request, end: float) -> IO[bytes]:
    """Try once to fetch a URL into a temporary file without a name."""
    import hashlib
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    request = urllib.request.Request(s.url, headers={"User-Agent": "prov"})
    for key, value in dict(s.headers).items():
        request.add_unredirected_header(key, value.reveal() if isinstance(value, Secret) else value)
    context = ssl.create_default_context(cafile=s.ca or None) if s.url.startswith("https") else None
    # where urllib looks for them
    os.environ.update(proxies())
    digest, size = hashlib.sha256(), 0
    out = tempfile.TemporaryFile(dir=large_files())  # noqa: SIM115 (given to the caller)
    try:
        with urllib.request.urlopen(request, timeout=SILENCE, context=context) as answer:
            said = answer.headers.get("Content-Length") or ""
            length = int(said) if said.isdecimal() else None
            for chunk in iter(lambda: answer.read(CHUNK), b""):
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                host.controller.progress("%s of %s" % (size_text(size), size_text(length or size)))
                if max(size, length or 0) > s.max_size:
                    raise too_large(s.url, s.max_size)
                if time.monotonic() > end:
                    raise StepError("%s did not come within %g s" % (s.url, s.deadline()))
        if length is not None and size < length:
            raise Transient("the connection was cut after %s" % size_text(size))
        if digest.hexdigest() != s.sha256:
            raise wrong_hash(s.url, digest.hexdigest(), s.sha256)
        out.flush()
        out.seek(0)
        return out
    except BaseException as error:
        out.close()
        if isinstance(error, urllib.error.HTTPError):
            answered = "the server answered %d %s" % (error.code, error.reason)
            if error.code in TRANSIENT:
                raise Transient(answered) from None
            raise StepError("%s: %s" % (s.url, answered)) from None
        if isinstance(error, urllib.error.URLError):
            if isinstance(error.reason, ssl.SSLError):
                raise StepError("%s: %s" % (s.url, error.reason)) from None
            raise Transient(str(error.reason)) from None
        if isinstance(error, (http.client.HTTPException, ConnectionError, TimeoutError)):
            raise Transient(str(error) or type(error).__name__) from None
        raise
