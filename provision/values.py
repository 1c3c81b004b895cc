"""Classes of values: dataclasses that are created in a quarter of the time.

The standard library's decorator generates and compiles the source of each method of each class: 0.3 ms for a
frozen class. The seventy classes of a run took a tenth of the time of a run without changes. Here the methods
are
written once for all classes. The type checker, not the class, keeps values frozen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(cls=None, *, frozen=False, eq=True):
        """Like `dataclasses.dataclass`; frozen values have a hash, but assignments to them are not
        refused."""

        def decorate(cls):
            made = dataclasses.dataclass(eq=False, repr=False)(cls)
            made.__repr__ = shown
            if eq:
                made.__eq__ = equal
                made.__hash__ = hashed if frozen else None
            return made

        return decorate if cls is None else decorate(cls)


def equal(self: Any, other: object) -> bool:
    """Compare class and fields."""
    if self is other:
        return True
    return fields(self) == fields(other) if other.__class__ is self.__class__ else NotImplemented


def hashed(self: Any) -> int:
    """Return the same number for equal values."""
    return hash(fields(self))


def shown(self: Any) -> str:
    """Return "Name(field=value, ...)", for debuggers and tests."""
    pairs = ", ".join(
        f"{name}={getattr(self, name)!r}" for name, field in self.__dataclass_fields__.items() if field.repr
    )
    return f"{self.__class__.__qualname__}({pairs})"


def fields(self: Any) -> tuple[Any, ...]:
    """Return the fields that are compared."""
    return tuple(getattr(self, name) for name, field in self.__dataclass_fields__.items() if field.compare)
