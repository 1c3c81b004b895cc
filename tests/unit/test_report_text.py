"""What hosts say never steers the terminal."""

from __future__ import annotations

import pytest

from provision.report.rows import duration
from provision.report.text import Line, clean, flat, last_line, lines


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain ütf", "plain ütf"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("bell\x07 back\x08", "bell\\x07 back\\x08"),
        ("\x9b31m", "\\x9b31m"),
        ("crlf\r", "crlf\\x0d"),
        ("bad \udcff byte", "bad \\xff byte"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
    ],
)
def test_clean(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_flat_and_last_line() -> None:
    assert flat("a\nb") == "a\\nb"
    assert last_line("10%\r50%\r\x1b[K90%\r\n\n") == "90%"
    assert last_line(" \n") == ""


def test_lines_and_indenting() -> None:
    assert list(lines("hint", "\na\n\nb \r\n")) == [Line("hint", "a"), Line("hint", ""), Line("hint", "b")]
    assert Line("", "x").indented("  ").text == "  x"
    assert Line("", "").indented("  ").text == ""


def test_duration() -> None:
    assert [duration(s) for s in (0.9, 59.9, 60, 125)] == ["0 s", "59 s", "1:00", "2:05"]
