"""Copies of the files in provision/skeleton, which are a project that works as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from provision.errors import UsageError
from provision.report.formats import Format
from provision.report.screen import say

SKELETON = Path(__file__).parent.parent / "skeleton"


def copy(path: Path, target: Path, change: Callable[[str], str] = str) -> None:
    """Write a file's text, with a change, to a path that is not there yet. Raises UsageError if it can't be."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as f:
            f.write(change(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{target}: {(error.strerror or str(error)).lower()}") from None


def tell(paths: Iterable[Path], what_now: str, out: Format) -> None:
    """Name the files that were made, and what can be done with them now."""
    for path in paths:
        out.show([{"event": "file", "path": str(path)}], [str(path)])
    out.end()
    say(f"\nNow:  {what_now}", err=True)
