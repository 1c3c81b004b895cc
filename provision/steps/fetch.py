"""Files and archives that the host fetches itself. Shipped to hosts (Python 3.8, standard library)."""

import os
import re
import shutil
import tempfile
import time
from typing import IO, TYPE_CHECKING, List, Mapping, Optional, Sequence, Union

from provision.errors import StepError
from provision.secrets import Secret, logins
from provision.steps.base import (
    Change,
    Diff,
    Step,
    changes,
    check_mode,
    check_path,
    check_text,
    listed,
    step,
    wanted,
)
from provision.steps.support.archives import Member, read_members, too_large
from provision.steps.support.contents import (
    attribute_words,
    attributes,
    kept_mode,
    set_attributes,
    size_text,
    wanted_owner,
)
from provision.steps.support.extraction import put, refuse_in_the_way, scratch
from provision.steps.support.unpacked import Unpacked, former, remember, remembered
from provision.system.caches import sha256
from provision.system.proxies import proxies
from provision.system.source import CHUNK, Source

if TYPE_CHECKING:
    from provision.system.host import System

DIGEST = re.compile(r"^[0-9a-f]{64}\Z")
#: of a connection that gives nothing, seconds
SILENCE = 60.0
#: answers after which asking again can help (RFC 9110, section 15.6; RFC 6585, section 4)
TRANSIENT = (408, 429, 500, 502, 503, 504)
#: bytes of a download or of an unpacked archive that nobody has said another number for
MAX_SIZE = 4 * 1024**3

Headers = Mapping[str, Union[str, Secret]]


@wanted()
class Download(Step):
    """A file from a URL, with contents that are known beforehand by their hash.

        fetch.download(c, "https://example.org/tool-1.2", "/usr/local/bin/tool", sha256="9f86d0...", mode=0o755)

    url: http or https; the host asks, not the controller.  path: absolute.
    sha256: 64 hex digits. The file is fetched only if the one at path has another hash, and takes its
    name only when all of it has come and has this hash: a cut connection or a wrong file changes nothing.
    headers: of the request; values may be Secrets; they are not sent along when the server redirects elsewhere.
    attempts: how often it is tried when the server can't be reached or says 5xx; pauses double from 1 s.
    max_size: bytes that it may have; a server that sends more is cut off.
    mode, owner, group: as of files.file.  ca: file of certificates to verify https with, on the host.
    A plan does not download: it shows size and hash only.  Source: urllib.request, RFC 9110.
    """

    url: str
    path: str
    sha256: str
    mode: Optional[int] = None
    owner: Optional[str] = None
    group: Optional[str] = None
    headers: Headers = ()  # type: ignore[assignment]
    attempts: int = 3
    ca: str = ""
    max_size: int = MAX_SIZE

    DEADLINE = 1800.0

    def label(self) -> str:
        return "download %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_mode(self.mode)
        check_size(self.max_size)
        check_origin(self.url, self.sha256, self.headers, self.attempts, self.ca)

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is not None and now.kind not in ("file", "link"):
            raise StepError("%s is a %s, and a file is wanted there" % (self.path, now.kind))
        new = "%s, sha256 %s..." % (self.url, self.sha256[:12])
        if now is None:
            return Diff([Change("new file", "", new), *attributes(self, host, None, 0o644)])
        content = None
        if now.kind == "link":
            content = Change("link", "-> %s" % now.target, new)
        elif host.files.sha256(self.path) != self.sha256:
            content = Change("content", "sha256 %s..." % host.files.sha256(self.path)[:12], new)
        found = changes(content, *attributes(self, host, now, None))
        return Diff(found) if found else Diff.none("has this hash" + attribute_words(self))

    def apply(self, host: "System", diff: Diff) -> None:
        now = host.files.stat(self.path)
        if now is not None and not any(c.what in ("content", "link") for c in diff.changes):
            set_attributes(self, host, now)
            return
        mode = self.mode if self.mode is not None else kept_mode(now, 0o644)
        uid, gid = wanted_owner(self, host, now)
        if host.planned:
            host.files.write(self.path, Source(self.sha256, -1), mode, uid, gid)
            return
        with fetched(host, self) as f:
            host.files.put(f, self.path, mode, uid, gid, self.sha256)
        host.files.sync()

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"


@wanted()
class Unpack(Step):
    """What is in an archive, in a directory.

        fetch.unpack(c, "https://example.org/tool-1.2.tar.gz", "/opt/tool", sha256="9f86d0...", strip=1)

    archive: a URL (http, https) or an absolute path on the host: tar (plain, gz, bz2, xz) or zip.
    path: the directory; made if its parent is there.  sha256: of the archive, 64 hex digits.
    strip: leading folders of each member that are left out, as tar's --strip-components.
    name: tells archives from each other that are unpacked into the same directory.
    owner, group: of everything that is unpacked; None is the login's own.
    headers, attempts, ca: as of fetch.download.
    max_size: bytes that the archive, and all that is in it, may have; more is refused before anything is written.
    Members that would land outside (an absolute path, "..", through a link of the archive or of the directory, a
    link that leads out) are refused before anything is written, and so are devices; set-user-ID bits and writing
    by group and others are dropped (PEP 706, the "data" filter). prov remembers, where only root can write, what
    came from which archive: files of an older archive that the new one lacks are removed, others stay, and a file
    that is missing is unpacked again.
    """

    archive: str
    path: str
    sha256: str
    strip: int = 0
    name: str = "archive"
    owner: Optional[str] = None
    group: Optional[str] = None
    headers: Headers = ()  # type: ignore[assignment]
    attempts: int = 3
    ca: str = ""
    max_size: int = MAX_SIZE

    DEADLINE = 3600.0

    @property
    def url(self) -> str:
        return self.archive

    def label(self) -> str:
        return "unpack %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        if not re.match(r"^[A-Za-z0-9][\w.-]*\Z", self.name):
            raise ValueError("name must be of letters, digits, '.', '-' and '_': %r" % self.name)
        if not isinstance(self.strip, int) or self.strip < 0:
            raise ValueError("strip must be a number of folders, not %r" % (self.strip,))
        check_size(self.max_size)
        if self.archive.startswith("/"):
            check_path(self.archive, "archive")
            check_digest(self.sha256)
        else:
            check_origin(self.archive, self.sha256, self.headers, self.attempts, self.ca)

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path + "/.")
        if now is None and host.files.stat(self.path) is not None:
            raise StepError("%s is not a directory" % self.path)
        before = remembered(host, self.path, self.name)
        new = "%s, sha256 %s..." % (self.archive, self.sha256[:12])
        if before.sha256 != self.sha256 or before.strip != self.strip:
            old = before.sha256
            return Diff([Change("archive", "sha256 %s..." % old[:12] if old else "", new)])
        missing = [m for m in before.members if host.files.stat("%s/%s" % (self.path, m)) is None]
        if missing:
            return Diff([Change("unpacked again", "", "missing: %s" % listed(missing))])
        return Diff.none("has the %d files of this archive" % len(before.members))

    def apply(self, host: "System", diff: Diff) -> None:
        uid, gid = host.owner(self.owner, self.group)
        before = remembered(host, self.path, self.name).members
        if host.planned:
            self._foresee(host)
            self._folder(host, uid, gid)
            self._remember(host, self.sha256, ())
            return
        with self._opened(host) as f:
            members = self._judged(host, f)
            self._folder(host, uid, gid)
            names = [m.path for m in members if m.kind != "dir"]
            # cut short, it is neither taken for the old archive nor for the new one
            self._remember(host, "", sorted({*before, *names}))
            for gone in sorted(set(before) - {m.path for m in members}):
                if host.files.stat("%s/%s" % (self.path, gone)) is not None:
                    host.files.remove("%s/%s" % (self.path, gone))
            for member in members:
                put(host, self.path, member, self.archive, uid, gid)
        stamp = former(self.path, self.name)
        now = host.files.stat(stamp)
        if now is not None and now.kind != "dir":
            host.files.remove(stamp)
        host.files.sync()
        self._remember(host, self.sha256, names)

    def fingerprint(self, host: "System") -> str:
        return remembered(host, self.path, self.name).sha256

    def _remember(self, host: "System", sha256: str, members: Sequence[str]) -> None:
        remember(host, self.path, self.name, Unpacked(sha256, self.strip, members))

    def _folder(self, host: "System", uid: int, gid: int) -> None:
        """Make the directory, if it is not there."""
        if host.files.stat(self.path + "/.") is None:
            host.files.mkdir(self.path, 0o755, uid, gid)

    def _judged(self, host: "System", f: IO[bytes]) -> "List[Member]":
        """The archive's members, none of which lands elsewhere."""
        members = read_members(f, self.strip, self.archive, self.max_size)
        refuse_in_the_way(host, self.path, members, self.archive)
        return members

    def _foresee(self, host: "System") -> None:
        """Refuse in a plan what the deploy would, if the archive is on this host already."""
        if not self.archive.startswith("/") or not host.runnable(self.archive):
            return
        with host.files.open(self.archive) as f:
            # an earlier step of the plan may put another one there
            if sha256(f) == self.sha256:
                f.seek(0)
                self._judged(host, f)

    def _opened(self, host: "System") -> IO[bytes]:
        """The archive's bytes, hash checked."""
        if not self.archive.startswith("/"):
            return fetched(host, self)
        if not host.files.exists(self.archive):
            raise StepError("there is no archive %s on this host" % self.archive)
        # a copy: its owner could still write into it after it was judged
        copy = tempfile.TemporaryFile(dir=scratch())  # noqa: SIM115 (given to the caller)
        with host.files.open(self.archive) as f:
            shutil.copyfileobj(f, copy, CHUNK)
        copy.seek(0)
        found = sha256(copy)
        if found != self.sha256:
            copy.close()
            raise wrong_hash(self.archive, found, self.sha256)
        copy.seek(0)
        return copy


download = step(Download)
unpack = step(Unpack)


# -- fetching


def check_digest(sha256: str) -> None:
    """Raise ValueError unless it is a SHA-256 in hex."""
    if not isinstance(sha256, str) or not DIGEST.match(sha256):
        raise ValueError("sha256 must be 64 hex digits (as sha256sum prints them), not %r" % (sha256,))


def check_origin(url: str, sha256: str, headers: Headers, attempts: int, ca: str) -> None:
    """Raise ValueError unless a request can be made of it."""
    check_text(url, "url")
    if not re.match(r"^https?://[^/\s]+(/\S*)?\Z", url):
        raise ValueError("url must begin with http:// or https://, name a host and have no spaces: %r" % url)
    if logins(url):
        raise ValueError("url must not have a login in it: pass a header, such as Authorization, as a Secret")
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
    """The refusal of contents that are not those that were asked for."""
    return StepError(
        "%s has another hash: %s, not %s" % (origin, found, expected),
        hint="Nothing has been changed. Is it a new version? Compare with what its publisher says.",
    )


def fetched(host: "System", s: "Union[Download, Unpack]") -> IO[bytes]:
    """The bytes of a step's URL in a nameless file, hash checked. Raises StepError."""
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
    """Asking again can help."""


def attempt_fetch(host: "System", s: "Union[Download, Unpack]", end: float) -> IO[bytes]:
    """One attempt at fetching a URL, into a temporary file that has no name."""
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
    out = tempfile.TemporaryFile(dir=scratch())  # noqa: SIM115 (given to the caller)
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
