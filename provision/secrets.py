"""Values that must not be seen: secrets, and logins in URLs. Shipped to hosts (Python 3.8, standard
library)."""

import re
from typing import Any, List

MASK = "********"
#: the user part of a URL with its @ (RFC 3986, 3.2.1). The second form is what people write although a / or #
#: in a
#: password ends the authority there; a port is not a password.
LOGIN = re.compile(r"""(?<=://)(?:[^\s/?#"<>]*|[^\s/?#@:]*:(?!\d*(?:\W|$))[^\s@]*)@""")


def without_logins(text: str) -> str:
    """Return the text without the user part (user, password, token) of every URL in it."""
    return LOGIN.sub("", text) if "://" in text and "@" in text else text


def logins(text: str) -> List[str]:
    """Return the user parts of the URLs in a text: "user:password", "token"."""
    return [found[:-1] for found in LOGIN.findall(text) if found != "@"]


class Secret:
    """Text that appears as ******** wherever it is printed, formatted or logged.

    Only `reveal()` gives the text; `+` with other text gives a Secret. Pickling is refused, so that a
    secret never reaches a disk unnoticed.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the one place that needs it."""
        return self._text

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac  # imported here: it costs 3 ms, and few runs compare secrets

        mine, theirs = (s._text.encode("utf-8", "surrogatepass") for s in (self, other))
        return hmac.compare_digest(mine, theirs)

    def __add__(self, other: Any) -> "Secret":
        """A secret with more text is one: "password=" + secret + "\\n"."""
        if not isinstance(other, (str, Secret)):
            return NotImplemented
        return Secret(self._text + (other.reveal() if isinstance(other, Secret) else other))

    def __radd__(self, other: Any) -> "Secret":
        return Secret(other + self._text) if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: Any) -> "Secret":
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a Secret cannot be pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic models have fields of this type: text from the inventory becomes a Secret.

        Called on the controller only; hosts have no pydantic.
        """
        from pydantic_core import core_schema

        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), text],
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )
