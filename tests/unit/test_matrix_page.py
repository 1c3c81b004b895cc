"""docs/matrix.md is of what there is, and tells what has failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.combinations import COMBINATIONS
from helpers.matrixpage import COLUMNS, HOST_COLUMNS, Seen, page, write

PAGE = Path(__file__).parents[2] / "docs/matrix.md"


def tried(front: str) -> Seen:
    """A host where everything is well."""
    rows = {one: dict.fromkeys(COLUMNS, "yes") for one in COMBINATIONS}
    return Seen(front, "debian-12", facts=dict.fromkeys(HOST_COLUMNS, "yes"), rows=rows)


def test_every_combination_has_its_line() -> None:
    """If not, there is a new server or example since `make prove` ran."""
    lines = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if " | " in line]
    found = sorted((line[0].removeprefix("| "), line[2]) for line in lines)
    for one in COMBINATIONS:
        assert found.count((one.server, str(one.example))) == 4, one


def test_what_fails_is_told_on_the_page() -> None:
    seen = tried("nginx")
    one = COMBINATIONS[0]
    with pytest.raises(AssertionError), seen.noting("upload", one):
        raise AssertionError("it is 413\nand more")
    text = page([seen], "2026-01-01")
    assert f"- nginx, debian-12: {one}, upload: `it is 413`\n" in text
    assert text.count("**fails**") == 1
    assert "**fails**" not in page([tried("apache")], "2026-01-01")


def test_a_part_of_the_tests_is_no_matrix(tmp_path: Path) -> None:
    part = tried("nginx")
    del part.rows[COMBINATIONS[-1]]
    write([tried("apache"), part], tmp_path / "page.md", "2026-01-01")
    assert not (tmp_path / "page.md").exists()
    write([tried("apache")], tmp_path / "page.md", "2026-01-01")
    assert "| gunicorn |" in (tmp_path / "page.md").read_text()
