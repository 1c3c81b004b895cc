"""How much of a long list of cases is run: `make test` takes a sample, `make prove` all of it (WHOLE=1).

Tests that are marked `at_length` are left to `make prove` as a whole: tests/lab/conftest.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
WHOLE = os.environ.get("WHOLE") == "1"


def sample(cases: Sequence[T], every: int) -> list[T]:
    """Return every case, or every nth. every: n; 1 for all."""
    return list(cases[:: 1 if WHOLE else every])
