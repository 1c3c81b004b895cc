"""What differs between two documents of a platform, each value for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from provision.secrets import MASK
from provision.steps.base import Change

#: whether the value at a path is a secret, which is not shown
Hidden = Callable[[str, str], bool]


def differences(before: Any, after: Any, hidden: Hidden | None = None, path: str = "") -> Iterator[Change]:
    """Yield each value that differs. hidden: of secrets; None hides nothing."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            inner = f"{path}.{name}" if path else str(name)
            yield from differences(before.get(name), after.get(name), hidden, inner)
    elif isinstance(before, list) and isinstance(after, list) and named(before) and named(after):
        old, new = ({each["name"]: each for each in items} for items in (before, after))
        for name in [*old, *(name for name in new if name not in old)]:
            yield from differences(old.get(name), new.get(name), hidden, f"{path}[{name}]")
    elif before != after:
        yield Change(path, shown(before, path, hidden), shown(after, path, hidden))


def named(items: Sequence[Any]) -> bool:
    """Return whether a list is of objects with names, each once."""
    names = [each.get("name") if isinstance(each, dict) else None for each in items]
    return None not in names and len(set(names)) == len(names)


def shown(value: Any, path: str, hidden: Hidden | None) -> str:
    """Return a value as a difference shows it."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    return MASK if hidden and hidden(path, text) else text


def without_empty(value: Any) -> Any:
    """Return a value without what is empty, zero or false, in which answers of AWS differ from requests."""
    if isinstance(value, dict):
        inner = {name: without_empty(each) for name, each in value.items()}
        return {name: each for name, each in inner.items() if each not in ({}, [], None, "", 0, False)}
    if isinstance(value, list):
        return [without_empty(each) for each in value]
    return value


def flat(document: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return the inner values of a document, by their paths: one that is new differs in each of them."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        inner = f"{path}.{name}" if path else str(name)
        if isinstance(value, Mapping):
            found |= flat(value, inner)
        else:
            found[inner] = ", ".join(map(str, value)) if isinstance(value, list) else value
    return found
