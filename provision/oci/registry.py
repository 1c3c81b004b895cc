"""Send blobs and manifests to a registry. Source: OCI distribution specification 1.1, "Push"; RFC 6750 for tokens."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
from collections.abc import Mapping
from typing import IO
from urllib.parse import urlencode, urljoin, urlsplit

from provision.errors import ProvError
from provision.secrets import Secret
from provision.values import dataclass

#: seconds without an answer
WITHIN = 60
#: of an answer that is read, in bytes
MOST = 1 << 20
PARAMETER = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class RegistryLogin:
    """A user of a registry, and their password, often a token."""

    user: str
    password: Secret

    @property
    def header(self) -> str:
        """Return it for Authorization (RFC 7617)."""
        return f"Basic {base64.b64encode(f'{self.user}:{self.password.reveal()}'.encode()).decode()}"


@dataclass(frozen=True)
class RegistryAnswer:
    """An answer of a registry. headers: by lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Registry:
    """A repository of a registry, such as registry.example.com/team/shop. tls: by https."""

    def __init__(self, repository: str, login: RegistryLogin | None = None, *, tls: bool = True) -> None:
        self.place, _, self.name = repository.partition("/")
        self.repository = repository
        self._login = login
        self._top = f"{'https' if tls else 'http'}://{self.place}"
        self._authorization = ""
        self._context = ssl.create_default_context() if tls else None

    def has(self, digest: str) -> bool:
        """Return whether the repository has a blob. Raises ProvError."""
        return self._asked("HEAD", f"blobs/{digest}", wanted=(200, 404)).status == 200

    def digest_of(self, tag: str, kind: str) -> str:
        """Return the digest of the manifest that a tag names; "" if it names none. Raises ProvError."""
        found = self._asked("HEAD", f"manifests/{tag}", {"Accept": kind}, wanted=(200, 404))
        return found.headers.get("docker-content-digest", "") if found.status == 200 else ""

    def put_blob(self, digest: str, contents: IO[bytes], size: int) -> None:
        """Send a blob, whose digest the registry checks. Raises ProvError."""
        begun = self._asked("POST", "blobs/uploads/", wanted=(202,))
        place = urljoin(f"{self._top}/v2/", begun.headers.get("location", ""))
        sign = "&" if urlsplit(place).query else "?"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._asked("PUT", f"{place}{sign}{urlencode({'digest': digest})}", headers, contents, wanted=(201,))

    def put_manifest(self, tag: str, kind: str, text: bytes) -> None:
        """Send a manifest, under a tag. Raises ProvError."""
        self._asked("PUT", f"manifests/{tag}", {"Content-Type": kind}, text, wanted=(201,))

    def _asked(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: IO[bytes] | bytes | None = None,
        *,
        wanted: tuple[int, ...],
    ) -> RegistryAnswer:
        """Ask the registry, after a login if it wants one. Raises ProvError for another status than those wanted."""
        url = path if "://" in path else f"{self._top}/v2/{self.name}/{path}"
        answer = self._once(method, url, headers or {}, body)
        challenge = answer.headers.get("www-authenticate", "")
        # tokens end after minutes; what a file sends can't be sent again, but a question comes before
        if answer.status == 401 and challenge and (body is None or isinstance(body, bytes)):
            self._authorization = self._authorized(challenge)
            answer = self._once(method, url, headers or {}, body)
        if answer.status not in wanted:
            raise self._refusal(method, answer)
        return answer

    def _authorized(self, challenge: str) -> str:
        """Return what a registry asks for: the login itself, or a token that its service gives for it."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            return self._login.header if self._login else ""
        about = dict(PARAMETER.findall(rest))
        realm = about.get("realm", "")
        if self._context and not realm.startswith("https://"):
            raise ProvError(f"{self.place} sends logins to {realm[:200]!r}, which is not https")
        query = urlencode({"service": about.get("service", ""), "scope": f"repository:{self.name}:pull,push"})
        given = {"Authorization": self._login.header} if self._login else {}
        answer = self._once("GET", f"{realm}{'&' if urlsplit(realm).query else '?'}{query}", given, None)
        if answer.status != 200:
            raise self._refusal("GET", answer)
        try:
            found = json.loads(answer.body)
            token = found.get("token") or found["access_token"]
        except (ValueError, KeyError, AttributeError):
            raise ProvError(f"{self.place} gave no token for the login") from None
        return f"Bearer {token}"

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: IO[bytes] | bytes | None
    ) -> RegistryAnswer:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        if self._context and not secure:
            raise ProvError(f"{self.place} points to {url[:200]!r}, which is not https")
        given = dict(headers)
        if self._authorization and parts.netloc == self.place:
            # other places, such as a store of objects, have their own in the address
            given.setdefault("Authorization", self._authorization)
        try:
            connection: http.client.HTTPConnection
            if secure:
                connection = http.client.HTTPSConnection(parts.netloc, timeout=WITHIN, context=self._context)
            else:
                connection = http.client.HTTPConnection(parts.netloc, timeout=WITHIN)
            try:
                connection.request(
                    method, f"{parts.path}{'?' if parts.query else ''}{parts.query}", body, given
                )
                answer = connection.getresponse()
                said = {name.lower(): value for name, value in answer.getheaders()}
                return RegistryAnswer(answer.status, said, answer.read(MOST))
            finally:
                connection.close()
        except ssl.SSLError as error:
            hint = "For a registry without TLS, set `registry: {tls: false}`."
            raise ProvError(
                f"{parts.netloc} can't be reached by https: {error.reason or error}", hint=hint
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ProvError(f"{parts.netloc} could not be reached: {why.lower()}") from None

    def _refusal(self, method: str, answer: RegistryAnswer) -> ProvError:
        """Return the error for an answer that is not as expected."""
        if answer.status in (401, 403):
            who = f"refused the login of {self._login.user}" if self._login else "asks for a login"
            return ProvError(
                f"{self.place} {who} for {self.name} ({answer.status})",
                hint="Set `user` and `password` of `image: {registry: ...}`, of someone who may push.",
            )
        return ProvError(
            f"{self.place} answered {answer.status} for {self.name} ({method}): {said_in(answer.body)}",
            hint="Check `repository` of `image: {registry: ...}`; some registries want it to be made first.",
        )


def said_in(body: bytes) -> str:
    """Return the message in an error of a registry ("Error Codes" of the specification)."""
    try:
        first = json.loads(body)["errors"][0]
        return f"{first.get('code', '')} {first.get('message', '')}".strip()[:300]
    except (ValueError, LookupError, TypeError, AttributeError):
        return body[:300].decode(errors="replace").strip() or "no reason given"
