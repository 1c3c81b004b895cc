"""Python's tracebacks in what a program has said: their cause in the user's terms, without others' frames."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from provision.values import dataclass

BEGINS = "Traceback (most recent call last):"
#: a line that names a place; those without "in" are of a SyntaxError
FRAME = re.compile(r'\s*File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in .*)?$')
#: the last line of a traceback
ENDS = re.compile(r"[A-Za-z_][\w.]*(?::.*)?$")
#: where an application's own files are: a release, or a link to one
OWN = re.compile(
    r"^/srv/[^/]+/(?:(?:releases|instances)/[^/]+|(?!releases/|instances/|venvs/)[^/]+)/(?!\.(?:venv|prov)/)(?P<path>.+)$"
)
#: frames of prov's and of Python's own imports, and of packages such as the server
NOT_SHOWN = re.compile(r"/\.prov/|^<frozen |/importlib/|/asyncio/")
PACKAGE = "/site-packages/"


@dataclass(frozen=True)
class Traceback:
    """One traceback. frames: the lines of each, with its path and line.  end: its last line."""

    frames: tuple[tuple[str, str, tuple[str, ...]], ...]
    end: str

    @property
    def cause(self) -> str:
        """Return `shop.py:35: SyntaxError: invalid syntax`, or without a place if no frame is the user's."""
        own = [f"{where}:{line}" for path, line, _ in self.frames if (where := own_path(path))]
        return ": ".join([*own[-1:], self.end])

    def lines(self) -> Iterator[str]:
        """Yield its lines without the frames that are not shown; only its last one if none is."""
        last = len(self.frames) - 1
        texts_shown: list[str] = []
        for index, (path, _, texts) in enumerate(self.frames):
            # of packages, what raised the error is of interest
            if not NOT_SHOWN.search(path) and (PACKAGE not in path or index == last):
                texts_shown += texts
        if texts_shown:
            yield BEGINS
            yield from texts_shown
        yield self.end


def own_path(path: str) -> str:
    """Return a path of the application's own as its source has it; "" for any other."""
    found = OWN.match(path)
    return found["path"] if found else ""


def cause_in(text: str) -> str:
    """Return the cause that the first traceback in a text names; "" without one."""
    for part in parts_of(text):
        if isinstance(part, Traceback):
            return part.cause
    return ""


def shown(text: str) -> Iterator[str]:
    """Yield the lines of a text, its tracebacks without others' frames, and equal ones once."""
    seen: dict[tuple[str, ...], int] = {}
    for part in parts_of(text):
        if isinstance(part, str):
            yield part
            continue
        lines = tuple(part.lines())
        if lines not in seen:
            yield from lines
        seen[lines] = seen.get(lines, 0) + 1
    again = sum(number - 1 for number in seen.values())
    if again:
        yield f"(the same traceback {again} more time{'s' if again > 1 else ''})"


def parts_of(text: str) -> Iterator[str | Traceback]:
    """Yield the lines and tracebacks of a text. A beginning that was cut off may be missing."""
    lines = text.strip("\n").split("\n")
    at = 0
    # what is left of a line that was cut off
    while at < len(lines) and set(lines[at].strip()) <= set("^~"):
        at += 1
    while at < len(lines):
        found, after = traceback_at(lines, at)
        if found is None and lines[at].strip() == BEGINS and is_cut_off(lines[at + 1 :]):
            return
        yield found or lines[at]
        at = after if found else at + 1


def is_cut_off(lines: Sequence[str]) -> bool:
    """Return whether a text ends within the frames of a traceback."""
    return all(line.startswith("  ") for line in lines)


def traceback_at(lines: Sequence[str], at: int) -> tuple[Traceback | None, int]:
    """Return the traceback that begins at a line, and the line after it; None if none does."""
    after = at + 1 if lines[at].strip() == BEGINS else at
    if after == at and not FRAME.match(lines[at]):
        return None, at
    frames: list[tuple[str, str, list[str]]] = []
    while after < len(lines):
        line = lines[after]
        if frame := FRAME.match(line):
            frames.append((frame["path"], frame["line"], [line]))
        elif frames and line.startswith("    "):
            frames[-1][2].append(line)
        else:
            break
        after += 1
    if after == len(lines) or not frames or not ENDS.match(lines[after]):
        return None, at
    return Traceback(
        tuple((path, line, tuple(texts)) for path, line, texts in frames), lines[after]
    ), after + 1
