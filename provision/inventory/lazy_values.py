"""Lists and mappings of the inventory as expressions see them: their parts are worked out when they are used."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from typing import Any


class LazyDict(dict[Any, Any]):
    """A mapping. written: as the inventory has it.  resolve: makes of key and written value what they are."""

    def __init__(self, written: dict[Any, Any], resolve: Callable[[Any, Any], Any]) -> None:
        super().__init__(written)
        self._resolve = resolve

    def __getitem__(self, key: Any) -> Any:
        return self._resolve(key, super().__getitem__(key))

    def get(self, key: Any, default: Any = None) -> Any:
        """Return a value, or another one if there is no such key."""
        return self[key] if key in self else default  # noqa: SIM401 - it would call itself

    def __iter__(self) -> Iterator[Any]:
        # defined, so that dict(...) and ** take the values from here
        return super().__iter__()

    def keys(self) -> KeysView[Any]:  # type: ignore[override]
        """Return the keys."""
        return KeysView(self)

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """Return the values."""
        return ValuesView(self)

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]
        """Return keys and values."""
        return ItemsView(self)

    def copy(self) -> dict[Any, Any]:
        """Return a plain mapping."""
        return dict(self.items())

    def __eq__(self, other: object) -> bool:
        return self.copy() == other

    def __ne__(self, other: object) -> bool:
        return self.copy() != other

    def __or__(self, other: Any) -> Any:
        return {**self.copy(), **other}

    def __repr__(self) -> str:
        return repr(self.copy())

    __hash__ = None


class LazyList(list[Any]):
    """A list. written: as the inventory has it.  resolve: makes of index and written value what they are."""

    def __init__(self, written: list[Any], resolve: Callable[[int, Any], Any]) -> None:
        super().__init__(written)
        self._resolve = resolve

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        return self._resolve(at, super().__getitem__(index))

    def __iter__(self) -> Iterator[Any]:
        return (self[at] for at in range(len(self)))

    def __reversed__(self) -> Iterator[Any]:
        return (self[at] for at in reversed(range(len(self))))

    def __contains__(self, value: object) -> bool:
        return any(value == each for each in self)

    def copy(self) -> list[Any]:
        """Return a plain list."""
        return list(self)

    def index(self, value: Any, *limits: Any) -> int:
        """Return where a value is."""
        return list(self).index(value, *limits)

    def count(self, value: Any) -> int:
        """Return how often a value is in it."""
        return list(self).count(value)

    def __add__(self, other: Any) -> Any:
        return list(self) + list(other)

    def __mul__(self, times: Any) -> Any:
        return list(self) * times

    def __eq__(self, other: object) -> bool:
        return list(self) == other

    def __ne__(self, other: object) -> bool:
        return list(self) != other

    def __lt__(self, other: Any) -> bool:
        return list(self) < list(other)

    def __gt__(self, other: Any) -> bool:
        return list(self) > list(other)

    def __repr__(self) -> str:
        return repr(list(self))

    __hash__ = None
