"""Lines for people, with the kind of each, so that a report may colour them."""

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
        """Return the line with an indent; an empty line stays empty."""
        return ShownLine(self.kind, by + self.text if self.text else "")


def flat(text: str) -> str:
    """Return any text as one line."""
    return visible(text.replace("\n", "\\n"))


def last_line(text: str) -> str:
    """Return the last line that is not blank, such as a progress bar's last state."""
    lines = [part.strip() for part in re.split(r"[\r\n]", uncoloured(text)) if part.strip()]
    return visible(lines[-1]) if lines else ""


def lines(kind: str, text: str) -> Iterator[ShownLine]:
    """Yield each line of a text, cleaned, without blank lines around it."""
    for part in text.strip("\n").split("\n"):
        yield ShownLine(kind, visible(part.rstrip("\r")).rstrip())
