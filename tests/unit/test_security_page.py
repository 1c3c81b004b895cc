"""docs/security.md lists every marked test, and only those; none of them failed when it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.securitypage import KINDS, PAGE, ROOT, Shown, marked, marks_of, page, results_of, rows_of

ADVICE = "run `make test`, then `make security-page`"


def test_the_page_lists_every_marked_test() -> None:
    """If not, tests were added, renamed or removed since the page was written."""
    listed = rows_of(PAGE.read_text(encoding="utf-8"))
    assert listed == [(one.kind, one.case, one.test) for one in marked()], ADVICE


def test_all_of_them_passed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "not run" not in text, ADVICE
    assert "**" not in text, ADVICE


def test_every_kind_has_tests() -> None:
    assert {one.kind for one in marked()} == set(KINDS)


def test_no_mark_escapes_the_page() -> None:
    """Marks in other places than decorators and `pytestmark` of a module would be lost."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path != Path(__file__):
            written = path.read_text(encoding="utf-8").count("mark.trust(")
            assert written == 0 or len(list(marks_of(path))) >= written, path


def test_marks_of_a_file_a_class_and_a_test(tmp_path: Path) -> None:
    file = tmp_path / "tests/test_x.py"
    file.parent.mkdir()
    file.write_text(
        'import pytest\npytestmark = [pytest.mark.trust("1", "all")]\n'
        '@pytest.mark.trust("4", "own")\ndef test_a(): ...\n'
        '@pytest.mark.trust("5", "of-class")\nclass TestB:\n    def test_c(self): ...\n    def helper(self): ...\n'
    )
    assert marked(tmp_path) == [
        Shown("1", "all", "tests/test_x.py::test_a"),
        Shown("1", "all", "tests/test_x.py::test_c"),
        Shown("4", "own", "tests/test_x.py::test_a"),
        Shown("5", "of-class", "tests/test_x.py::test_c"),
    ]


@pytest.mark.parametrize("arguments", ['"12", "x"', '"1"', '"1", NAME'])
def test_a_mark_that_cannot_be_read_is_an_error(tmp_path: Path, arguments: str) -> None:
    file = tmp_path / "tests/test_x.py"
    file.parent.mkdir()
    file.write_text(f"@pytest.mark.trust({arguments})\ndef test_a(): ...\n")
    with pytest.raises(ValueError, match="line 1: "):
        marked(tmp_path)


def test_a_shorter_name_of_the_mark_is_an_error(tmp_path: Path) -> None:
    """Tests marked by it would be on no page, and no one would notice."""
    file = tmp_path / "tests/test_x.py"
    file.parent.mkdir()
    file.write_text('trust = pytest.mark.trust\n@trust("1", "a")\ndef test_a(): ...\n')
    with pytest.raises(ValueError, match=r"test_x.py:1: write pytest.mark.trust"):
        marked(tmp_path)


def test_a_failure_shows() -> None:
    one, two = Shown("1", "a", "tests/t.py::x"), Shown("2", "b", "tests/t.py::y")
    text = page([one, two], {one.test: ["passed", "failed"]}, "2026-01-01")
    assert "| a | `tests/t.py::x` | **failed** (1 of 2) |" in text
    assert "| b | `tests/t.py::y` | not run |" in text
    assert rows_of(text) == [("1", "a", one.test), ("2", "b", two.test)]


def test_a_page_keeps_the_results_of_tests_that_passed() -> None:
    one, two = Shown("1", "a", "tests/t.py::x"), Shown("2", "b", "tests/t.py::y")
    results = {one.test: ["passed", "passed"], two.test: ["failed"]}
    assert results_of(page([one, two], results, "2026-01-01")) == {one.test: ["passed", "passed"]}
