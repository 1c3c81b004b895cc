"""What was measured: rows in memory and in the raw JSON file, kept part by part."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.tools import TOOLS

Row = dict[str, Any]


class ResultRows:
    """Rows of measurements. A part that is run again replaces its rows of an earlier run; ratios are only ever
    made within one part, so within one run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.data: dict[str, Any] = {"parts": {}}
        if path.is_file():
            self.data = json.loads(path.read_text())

    def begin(self, part: str) -> None:
        """Start a part again."""
        self.data["machine"] = machine()
        self.data["versions"] = {tool.name: tool.version() for tool in TOOLS.values()}
        self.data["parts"][part] = {
            "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "load": round(os.getloadavg()[0], 2),
            "rows": [],
        }

    def add(self, part: str, **row: Any) -> None:
        """One measurement; written to the file at once."""
        self.data["parts"][part]["rows"].append(row)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # a row a line: changes stay readable
        self._path.write_text(json.dumps(self.data, indent=1) + "\n")

    def parts(self) -> dict[str, Any]:
        """The parts by name."""
        return dict(self.data["parts"])


def machine() -> dict[str, Any]:
    """What it runs on, without names."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 2**30),
        "linux": ".".join(os.uname().release.split(".")[:2]),
    }


def select(rows: list[Row], **wanted: Any) -> list[Row]:
    """Rows with these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def median(rows: list[Row], figure: str = "seconds") -> float | None:
    """The median of one figure; None if there is no row with it."""
    values = [row[figure] for row in rows if row.get(figure) is not None]
    return statistics.median(values) if values else None


def alternating(names: list[str], rounds: int, action: Callable[[str], None]) -> None:
    """action(name) for every name in turn, again and again."""
    for _ in range(rounds):
        for name in names:
            action(name)
