"""Importing invoke without unittest.mock, and with that without asyncio: a fifth of what fabric takes to import.

Invoke wants it for one class, which the tests of its users make.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAME = "unittest.mock"


class Mock:
    """Stands for unittest.mock.Mock; to make one brings the real one."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        from unittest import mock

        return mock.Mock(*args, **kwargs)


@contextmanager
def without_mock() -> Iterator[None]:
    """Let what is imported in the meantime have the stand-in, unless the real one is loaded."""
    if NAME in sys.modules:
        yield
        return
    stand_in: Any = types.ModuleType(NAME)
    stand_in.Mock = Mock
    sys.modules[NAME] = stand_in
    try:
        yield
    finally:
        del sys.modules[NAME]
