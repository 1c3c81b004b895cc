"""A value that must not be seen. Shipped to hosts, so standard library only and Python 3.8."""

from typing import Any

MASK = "********"


class Secret:
    """Text that shows as ******** wherever it is printed, formatted or logged.

    Only `reveal()` gives the text. Pickling is refused, so that a secret never reaches a disk unnoticed.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
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
        import hmac  # here, as few runs compare any, and it costs 3 ms

        mine, theirs = (s._text.encode("utf-8", "surrogatepass") for s in (self, other))
        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: Any) -> "Secret":
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Lets a pydantic model have fields of this type: text from the inventory becomes a Secret.

        Called on the controller only; hosts have no pydantic.
        """
        from pydantic_core import core_schema

        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), text],
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )
