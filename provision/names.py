"""Nearest names, for messages about misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'nginx'?" for the known name nearest to wrong, or ""."""
    near = difflib.get_close_matches(wrong, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
