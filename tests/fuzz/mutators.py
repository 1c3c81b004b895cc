"""Small changes to what a parser takes: bytes, and JSON values whose shape is almost right."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

#: values that take the place of others
ODD: list[Any] = [
    None,
    True,
    False,
    -1,
    0,
    1.5,
    1e308,
    2**63,
    10**30,
    "",
    "x",
    "x" * 300,
    "\ud800",
    "\udcff",
    "\x1b]0;x\x07",
    "\u202e",
    "..",
    "/",
    "a/../b",
    "\0",
    "9" * 30,
    [],
    {},
    [[]],
    [{}],
    {"kind": "x"},
    {"": ""},
]
NAMES = [
    "x",
    "op",
    "id",
    "diff",
    "error",
    "payload",
    "kind",
    "path",
    "was",
    "",
    "$secret",
    "$source",
    "$ref",
    "$dict",
]


def bytes_near(data: bytes, words: Sequence[bytes], rng: random.Random) -> bytes:
    """The data with a few changes. words: what the parser knows."""
    found = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        at = rng.randrange(len(found) + 1)
        end = min(len(found), at + rng.randrange(1, 40))
        kind = rng.randrange(8)
        if kind == 0:
            found[at:at] = rng.choice(words)
        elif kind == 1:
            del found[at:end]
        elif kind == 2:
            found[at:end] = rng.choice(words)
        elif kind == 3 and found:
            found[at % len(found)] = rng.randrange(256)
        elif kind == 4:
            found[at:at] = found[at:end] * rng.choice([1, 2, 50])
        elif kind == 5:
            found[at:at] = rng.choice(words) * rng.choice([1, 3, 200])
        elif kind == 6:
            del found[at:]
        else:
            other = rng.randrange(len(found) + 1)
            found[at:at] = found[other : other + 60]
    return bytes(found)


def json_near(value: Any, rng: random.Random, depth: int = 0) -> Any:
    """The value with parts that are missing, of other types, twice, or too many."""
    if rng.random() < 0.06:
        return rng.choice(ODD)
    if isinstance(value, dict):
        found = {name: json_near(part, rng, depth + 1) for name, part in value.items() if rng.random() > 0.05}
        if rng.random() < 0.06:
            found[rng.choice(NAMES)] = json_near(rng.choice(ODD), rng, depth + 1)
        return found
    if isinstance(value, list):
        parts = [json_near(part, rng, depth + 1) for part in value if rng.random() > 0.05]
        return parts * rng.choice([1, 1, 1, 2]) if rng.random() < 0.1 else parts
    return value


def json_bytes(value: Any, words: Sequence[bytes], rng: random.Random) -> bytes:
    """A value near this one as JSON; now and then no JSON any more."""
    data = json.dumps(json_near(value, rng)).encode()
    return bytes_near(data, words, rng) if rng.random() < 0.2 else data
