"""Copy files of provision/skeleton, a project that works as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from provision.errors import UsageError
from provision.report.formats import Format
from provision.report.screen import say

SKELETON = Path(__file__).parent.parent / "skeleton"


def copy(path: Path, target: Path, change: Callable[[str], str] = str) -> None:
    """Write a file's text, changed, to a new path. Raises UsageError if it exists or cannot be written."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as f:
            f.write(change(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{target}: {(error.strerror or str(error)).lower()}") from None


def tell(paths: Iterable[Path], what_now: str, out: Format) -> None:
    """Name the files that were made, and what to do next."""
    for path in paths:
        out.show([{"event": "file", "path": str(path)}], [str(path)])
    out.end()
    say(f"\nNow:  {what_now}", err=True)
