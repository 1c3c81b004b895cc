"""docs/proofs.md: each proof writes its own section, and leaves those of the others."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs/proofs.md"
PLANS, CUTS, UNDO, FRONTS, PASTS = (
    "Plans are exact",
    "Cut anywhere, one more run converges",
    "A deploy is undone to the byte",
    "A front changes, and no connection is refused",
    "Steps on hosts with a past",
)
#: in the page's order
TITLES = (PLANS, CUTS, UNDO, FRONTS, PASTS)
INTRODUCTION = """\
# Proofs

Written by `make prove`, a section by each proof; `make test` runs a sample of each. The page is not edited.
"""


def write(title: str, lines: Sequence[str], page: Path = PAGE) -> None:
    """Replace one section. lines: what it says, without its title."""
    found = sections(page.read_text(encoding="utf-8")) if page.exists() else {}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    where = f"Python {platform.python_version()}, hosts in namespaces of one machine, {today}."
    found[title] = "\n".join(lines).rstrip() + f"\n\n{where}"
    parts = [INTRODUCTION, *(f"## {name}\n\n{found[name]}\n" for name in TITLES if name in found)]
    page.write_text("\n".join(parts), encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """What each section of a page says, by its title."""
    _, *rest = text.split("\n## ")
    return {title: said.strip() for title, _, said in (part.partition("\n") for part in rest)}
