"""Contents that travel to a host by hash, once, and only if the host lacks them. Shipped."""

import hashlib
from io import BytesIO
from typing import IO, Any, Callable, Optional, Union

from provision.secrets import Secret

CHUNK = 256 * 1024


class Source:
    """Contents named by their hash, or made on the controller when the host requests them.

    sha256: hex digest of the contents; "" for contents that are made from the host's request.
    size: bytes; -1 if not known yet.  secret: never show it in a diff.
    """

    def __init__(self, sha256: str, size: int, secret: bool = False) -> None:
        self.sha256 = sha256
        self.size = size
        self.secret = secret
        self.key = sha256
        #: set on the controller only: opens the contents, given the payload of the host's request
        self.open: Optional[Callable[[bytes], IO[bytes]]] = None
        #: on the controller, the contents if they are in memory
        self.data: Optional[bytes] = None

    @classmethod
    def of(cls, content: Union[str, bytes, Secret]) -> "Source":
        """Return a source with contents in memory. Text is UTF-8."""
        text = content.reveal() if isinstance(content, Secret) else content
        data = text.encode() if isinstance(text, str) else text
        source = cls(hashlib.sha256(data).hexdigest(), len(data), isinstance(content, Secret))
        source.open = lambda request: BytesIO(data)
        source.data = data
        return source

    @classmethod
    def of_file(cls, path: Any) -> "Source":
        """Return a source for a local file, hashed now and read again, in pieces, when a host requests it."""
        digest, size = hashlib.sha256(), 0
        with open(path, "rb") as f:
            for chunk in iter(lambda: f.read(CHUNK), b""):
                digest.update(chunk)
                size += len(chunk)
        source = cls(digest.hexdigest(), size)
        source.open = lambda request: open(path, "rb")  # noqa: SIM115 (the reader closes it)
        return source

    @classmethod
    def made_by(cls, key: str, make: Callable[[bytes], bytes]) -> "Source":
        """Return a source that the controller makes from the host's request.

        An example is a certificate from a signing request.
        """
        source = cls("", -1)
        source.key = key
        source.open = lambda request: BytesIO(make(request))
        return source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return "Source(%s, %d bytes)" % (self.key[:12], self.size)
