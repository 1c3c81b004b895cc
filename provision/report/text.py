"""Lines as people read them, with what each is about, so that a report may colour it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# CSI and OSC sequences and two-character escapes (ECMA-48); what a host prints must not steer the terminal
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SURROGATES = re.compile(r"[\ud800-\udfff]")


class Line(NamedTuple):
    """kind: "add", "remove", "hunk", "place", "code", "message", "hint", "dim" or "" for plain text."""

    kind: str
    text: str

    def indented(self, by: str) -> Line:
        """The line further right; an empty one stays empty."""
        return Line(self.kind, by + self.text if self.text else "")


def clean(text: str) -> str:
    """Text without anything that a terminal obeys: escape sequences go, control characters are shown."""
    text = ESCAPES.sub("", text)
    text = CONTROLS.sub(lambda m: f"\\x{ord(m[0]):02x}", text)
    # bytes that were no UTF-8 on the host (surrogateescape) can't be printed as they are
    return SURROGATES.sub(lambda m: f"\\x{ord(m[0]) & 0xFF:02x}", text)


def flat(text: str) -> str:
    """Text on one line, whatever it holds."""
    return clean(text.replace("\n", "\\n"))


def last_line(text: str) -> str:
    """The last line that says something, such as a progress bar's last state."""
    lines = [part.strip() for part in re.split(r"[\r\n]", text) if part.strip()]
    return clean(lines[-1]) if lines else ""


def lines(kind: str, text: str) -> Iterator[Line]:
    """Each line of a text, cleaned; blank lines around it are left out."""
    for part in text.strip("\n").split("\n"):
        yield Line(kind, clean(part.rstrip("\r")).rstrip())
