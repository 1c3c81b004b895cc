"""Import invoke without unittest.mock, and so without asyncio: that saves a fifth of fabric's import time.

Invoke needs it for one class, which only its users' tests create.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAME = "unittest.mock"


class Mock:
    """A placeholder for unittest.mock.Mock; creating one loads the real class."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        from unittest import mock

        return mock.Mock(*args, **kwargs)


@contextmanager
def without_mock() -> Iterator[None]:
    """Provide the placeholder to imports in the block, unless the real module is loaded."""
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
