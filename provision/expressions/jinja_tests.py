"""Tests of Jinja that Ansible adds: `x is match(...)`, `x is version(...)`.

Source: ansible-core, "Tests".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from provision.expressions.bounds import ExpressionError
from provision.expressions.text_filters import tried

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    name: function
    for names, function in (
        (("==", "=", "eq"), lambda a, b: a == b),
        (("!=", "<>", "ne"), lambda a, b: a != b),
        (("<", "lt"), lambda a, b: a < b),
        (("<=", "le"), lambda a, b: a <= b),
        ((">", "gt"), lambda a, b: a > b),
        ((">=", "ge"), lambda a, b: a >= b),
    )
    for name in names
}


def matches(value: Any, pattern: str = "", ignorecase: bool = False, multiline: bool = False) -> bool:
    """Return whether a text begins with what a pattern matches."""
    return tried("match", value, pattern, ignorecase=ignorecase, multiline=multiline) is not None


def contains_match(value: Any, pattern: str = "", ignorecase: bool = False, multiline: bool = False) -> bool:
    """Return whether a text has what a pattern matches."""
    return tried("search", value, pattern, ignorecase=ignorecase, multiline=multiline) is not None


def regex(
    value: Any,
    pattern: str = "",
    ignorecase: bool = False,
    multiline: bool = False,
    match_type: str = "search",
) -> bool:
    """Return whether a pattern matches a text: search, match or fullmatch."""
    if match_type not in ("search", "match", "fullmatch"):
        raise ExpressionError(f"{match_type!r} is not one of search, match, fullmatch")
    return tried(match_type, value, pattern, ignorecase=ignorecase, multiline=multiline) is not None


def parts_of(version: Any) -> list[tuple[int, int, str]]:
    """Return a version as a list that can be compared: numbers as such, and words before them."""
    parts = re.findall(r"\d+|[a-z]+", str(version).lower())
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def version(value: Any, other: Any, operator: str = "eq", *_: Any, **__: Any) -> bool:
    """Return whether a version compares to another one as an operator says."""
    if operator not in COMPARISONS:
        raise ExpressionError(f"{operator!r} is not one of {', '.join(COMPARISONS)}")
    return COMPARISONS[operator](parts_of(value), parts_of(other))


def subset(values: Iterable[Any], others: Iterable[Any]) -> bool:
    """Return whether all values are among others."""
    known = list(others)
    return all(value in known for value in values)


TESTS: dict[str, Callable[..., Any]] = {
    "abs": lambda path: Path(path).is_absolute(),
    "all": all,
    "any": any,
    "contains": lambda values, value: value in values,
    "directory": lambda path: Path(path).is_dir(),
    "exists": lambda path: Path(path).exists(),
    "falsy": lambda value, convert_bool=False: not value,
    "file": lambda path: Path(path).is_file(),
    "issubset": subset,
    "issuperset": lambda values, others: subset(others, values),
    "match": matches,
    "nan": lambda value: value != value,
    "regex": regex,
    "search": contains_match,
    "subset": subset,
    "superset": lambda values, others: subset(others, values),
    "truthy": lambda value, convert_bool=False: bool(value),
    "version": version,
    "version_compare": version,
}
