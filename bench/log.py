"""What the benchmark says while it runs, on stderr."""

from __future__ import annotations

import sys
import time

_began = time.monotonic()


def say(text: str) -> None:
    """One line, with the seconds since the start."""
    sys.stderr.write(f"[{time.monotonic() - _began:7.1f}] {text}\n")
    sys.stderr.flush()
