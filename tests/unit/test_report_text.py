"""What hosts say never steers the terminal."""

from __future__ import annotations

import pytest

from provision.controller.visible import uncoloured, visible
from provision.report.live_rows import duration
from provision.report.shown_lines import ShownLine, flat, last_line, lines

#: an emoji of two, and Persian: joiners have their place there
JOINED = "\U0001f469\u200d\U0001f680 \u0646\u0645\u06cc\u200c\u062e"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain ütf", "plain ütf"),
        ("\x1b[1;31mred\x1b[0m", "\\x1b[1;31mred\\x1b[0m"),
        ("\x1b]0;a title\x07text", "\\x1b]0;a title\\x07text"),
        ("\x1b[2J\x1b[Hgone", "\\x1b[2J\\x1b[Hgone"),
        ("admin\u202egpj", "admin<U+202E>gpj"),
        ("a\u2066b\u2069\u200e\u200f", "a<U+2066>b<U+2069><U+200E><U+200F>"),
        ("one\u2028two\u2029", "one<U+2028>two<U+2029>"),
        ("ngi\u200dnx\u200b\ufeff", "ngi<U+200D>nx<U+200B><U+FEFF>"),
        ("\U000e0041", "<U+E0041>"),
        ("\ud83d", "<U+D83D>"),
        (JOINED, JOINED),
        ("bell\x07 back\x08", "bell\\x07 back\\x08"),
        ("\x9b31m", "\\x9b31m"),
        ("crlf\r", "crlf\\x0d"),
        ("bad \udcff byte", "bad \\xff byte"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
    ],
)
def test_what_would_steer_a_terminal_is_shown(raw: str, shown: str) -> None:
    assert visible(raw) == shown
    assert visible(shown) == shown


def test_programs_may_lose_their_colours() -> None:
    assert visible(uncoloured("\x1b[1;31mred\x1b[0m\x1b[K \x1b[2J")) == "red \\x1b[2J"


def test_flat_and_last_line() -> None:
    assert flat("a\nb") == "a\\nb"
    assert last_line("10%\r50%\r\x1b[K90%\r\n\n") == "90%"
    assert last_line(" \n") == ""


def test_lines_and_indenting() -> None:
    assert list(lines("hint", "\na\n\nb \r\n")) == [
        ShownLine("hint", "a"),
        ShownLine("hint", ""),
        ShownLine("hint", "b"),
    ]
    assert ShownLine("", "x").indented("  ").text == "  x"
    assert ShownLine("", "").indented("  ").text == ""


def test_duration() -> None:
    assert [duration(s) for s in (0.9, 59.9, 60, 125)] == ["0 s", "59 s", "1:00", "2:05"]
