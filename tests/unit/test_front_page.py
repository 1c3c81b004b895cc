"""The pages at the top of the repository: short, and their links lead to what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob(".github/*.md"), *ROOT.glob("*/README.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(?:#([^)]+))?\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        there = page.parent / target
        assert there.exists(), target
        assert not anchor or there.suffix != ".md" or anchor in anchors(there), f"{target}#{anchor}"


def test_the_readme_is_short_and_has_a_picture() -> None:
    """Its picture is recorded by `make picture`, and small enough for a page."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    assert "(docs/picture.svg)" in text
    picture = (ROOT / "docs/picture.svg").read_text(encoding="utf-8")
    assert len(picture) < 40_000
    assert "url(http" not in picture and "@import" not in picture, "it loads something from the network"
    assert "$&#160;prov&#160;plan&#160;web1" in picture and "nothing&#160;to&#160;change" in picture
