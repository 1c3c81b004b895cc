"""Lines as people read them, with what each is about, so that a report may colour it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from provision.controller.visible import uncoloured, visible


class ShownLine(NamedTuple):
    """kind: "add", "remove", "hunk", "place", "code", "message", "hint", "dim" or "" for plain text."""

    kind: str
    text: str

    def indented(self, by: str) -> ShownLine:
        """The line further right; an empty one stays empty."""
        return ShownLine(self.kind, by + self.text if self.text else "")


def flat(text: str) -> str:
    """Text on one line, whatever it holds."""
    return visible(text.replace("\n", "\\n"))


def last_line(text: str) -> str:
    """The last line that says something, such as a progress bar's last state."""
    lines = [part.strip() for part in re.split(r"[\r\n]", uncoloured(text)) if part.strip()]
    return visible(lines[-1]) if lines else ""


def lines(kind: str, text: str) -> Iterator[ShownLine]:
    """Each line of a text, cleaned; blank lines around it are left out."""
    for part in text.strip("\n").split("\n"):
        yield ShownLine(kind, visible(part.rstrip("\r")).rstrip())
