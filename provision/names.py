"""Nearest names, for messages about misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: characters: shorter names are like too many other words
SHORT = 4
#: characters from which on another character makes another word of hardly any name
LONG = 6


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'nginx'?" for the known name nearest to wrong, or ""."""
    near = difflib.get_close_matches(wrong, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def is_misspelt(name: str, known: str) -> bool:
    """Return whether a name is one typing error away from a known one: a character more or less, two exchanged, or
    another one in a long name.

    Another digit makes another name, and so does a plural, except of names with an underscore (ansible_host).
    """
    if name == known or len(known) < SHORT or (name.rstrip("s") == known.rstrip("s") and "_" not in known):
        return False
    start = common_start(name, known)
    end = common_start(name[start:][::-1], known[start:][::-1])
    one, other = name[start : len(name) - end], known[start : len(known) - end]
    if one.isdigit() or other.isdigit():
        return False
    lengths = len(one), len(other)
    exchanged = lengths == (2, 2) and one == other[::-1]
    return exchanged or lengths in ((0, 1), (1, 0)) or (lengths == (1, 1) and len(known) >= LONG)


def common_start(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their start."""
    pairs = zip(one, other)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
