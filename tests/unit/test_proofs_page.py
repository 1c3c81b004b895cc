"""docs/proofs.md has a section for each proof, and the cuts are drawn evenly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from drawnresults import DRAWN, Result, recorded, report
from helpers.cutting import KINDS, QUESTION, STEP
from helpers.interruption import FIRST, SECOND, draw
from helpers.proofspage import CUTS, PLANS, TITLES, UNDO, sections, write

STEPS = {
    deploy: [(f"nginx: file /{deploy}/{number}", 1.0) for number in range(11)] for deploy in (FIRST, SECOND)
}


def test_sections_are_written_one_by_one(tmp_path: Path) -> None:
    page = tmp_path / "proofs.md"
    write(UNDO, ["all of them", "", "| a table |"], page)
    write(PLANS, ["300 cases"], page)
    write(CUTS, ["one"], page)
    write(CUTS, ["two"], page)
    found = sections(page.read_text())
    assert tuple(found) == TITLES[:3]
    assert found[PLANS].startswith("300 cases\n\nPython 3")
    assert found[UNDO].startswith("all of them\n\n| a table |\n")
    assert found[CUTS].startswith("two\n")


def test_pasts_that_were_drawn_are_listed_with_their_steps() -> None:
    path = "steps_past/test_past_files.py"
    found = {
        f"{path}::test_file": Result(pasts=200, held=True, day="2026-11-27"),
        f"{path}::test_link": Result(pasts=200, held=False, day="2026-11-27"),
    }
    lines = report(found)
    assert lines[0].startswith("200 pasts that held.")
    rows = lines[-1].splitlines()
    assert "| `files.file`, `files.copy`, `files.template` | 200 | yes | 2026-11-27 |" in rows
    assert "| `files.link` | 200 | no | 2026-11-27 |" in rows
    assert sum("no record yet" in row for row in rows) == sum(map(len, DRAWN.values())) - 2
    # a later run of other tests keeps them
    assert recorded("\n".join(lines)) == found


def test_all_cuts_are_before_and_inside_each_step() -> None:
    cuts = draw(STEPS)
    assert len(cuts) == len(set(map(str, cuts))) == 22 * 2 * len(KINDS)


@pytest.mark.parametrize("count", [1, 6, 12, 21, 22, 60])
def test_fewer_are_drawn_evenly(count: int) -> None:
    cuts = draw(STEPS, count)
    assert len(cuts) == count
    for what in (lambda cut: cut.kind, lambda cut: cut.step, lambda cut: cut.deploy):
        times = Counter(map(what, cuts)).values()
        assert max(times) - min(times) <= 3


def test_steps_are_read_off_the_questions() -> None:
    """Where the outcome of the step before comes between, where nothing was said about it, and without a place."""
    said = (
        b"web1: base: service ssh  (roles/base/__init__.py:82)\n  "
        + QUESTION
        + b" web1: base: service ssh: changed\n"
        b"    + reload (owed)\nweb1: app: link /x\n  "
        + QUESTION
        + b" web1: app: file /y  (a.py:1)\n  "
        + QUESTION
    )
    found = [step.decode() for step in STEP.findall(said)]
    assert found == ["base: service ssh", "app: link /x", "app: file /y"]
