"""Text files as editors leave them: rows that keep their own line ends. Shipped to hosts (Python 3.8).

A row ends at LF only: not at a form feed or U+2028, and a CR belongs to the end of its own row only. Bytes
that are not UTF-8 are kept.
"""

import re
from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

from provision.errors import StepError

MARK = "\ufeff"  # UTF-8's byte order mark, which belongs to no row
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Row(NamedTuple):
    """A row. end: "\\n", "\\r\\n", or "" for a last row without one; None: as its neighbours'."""

    text: str
    end: Optional[str] = None


class Rows(NamedTuple):
    """A whole file. mark: the byte order mark, or ""."""

    mark: str
    rows: List[Row]

    @property
    def texts(self) -> List[str]:
        """Return the rows without their ends."""
        return [row.text for row in self.rows]

    def data(self, rows: "Optional[Sequence[Row]]" = None) -> bytes:
        """Return the contents of a file with these rows; by default its own."""
        return encoded(self.mark + "".join(row.text + (row.end or "") for row in ended(rows or [])))


def rows_of(data: bytes, path: str) -> Rows:
    """Return the rows of a file's contents. Raises StepError for UTF-16, which UTF-8 lines would damage."""
    if data[:2] in UTF_16:
        raise StepError(
            "%s is UTF-16, not UTF-8" % path, hint="Convert it first, or give the whole with files.file."
        )
    text = data.decode("utf-8", "surrogateescape")
    mark = MARK if text.startswith(MARK) else ""
    pieces = text[len(mark) :].split("\n")
    rows = [Row(piece[:-1], "\r\n") if piece.endswith("\r") else Row(piece, "\n") for piece in pieces[:-1]]
    return Rows(mark, [*rows, Row(pieces[-1], "")] if pieces[-1] else rows)


def encoded(text: str) -> bytes:
    """Return a text as the bytes that it was read from."""
    return text.encode("utf-8", "surrogateescape")


def new_rows(texts: Iterable[str]) -> List[Row]:
    """Return new rows, which get the line ends of the rows around them."""
    return [Row(text) for text in texts]


def ended(rows: Sequence[Row]) -> List[Row]:
    """Return the rows, each with an end: a new row, and one that is no longer last, takes that of the
    previous row, or of the next row that has one."""
    found = []
    before = next((row.end for row in rows if row.end), "\n")
    for number, row in enumerate(rows):
        wanted = row.end is None or (not row.end and number < len(rows) - 1)
        found.append(row._replace(end=before) if wanted else row)
        before = found[-1].end or before
    return found


def with_ends(text: str, rows: Sequence[Row], changes: "Sequence[Tuple[Tuple[int, int], str]]") -> str:
    """Return a changed text as the file's bytes: rows that stay keep their ends, new rows get those of the
    rows around them.

    text: the rows, joined with LF; without rows, all ends are LF.
    changes: (start, stop) in the text, and the replacement, in order.
    """
    ends = [row.end or "\n" for row in ended(rows)] or ["\n"]

    def piece(part: str, row: int, step: int) -> str:
        lines = part.split("\n")
        return lines[0] + "".join(
            ends[min(row + number * step, len(ends) - 1)] + line for number, line in enumerate(lines[1:])
        )

    found, at, row = [], 0, 0
    for (start, stop), new in changes:
        found.append(piece(text[at:start], row, 1))
        row += text.count("\n", at, start)
        found.append(piece(new, row, 0))
        row += text.count("\n", start, stop)
        at = stop
    return "".join([*found, piece(text[at:], row, 1)])


def place(texts: Sequence[str], after: str, before: str, first: bool) -> int:
    """Return the index of the row before which a new row goes: after, or before, the last row that matches
    (first: the first one); the end if none matches."""
    found = [n for n, text in enumerate(texts) if (after or before) and re.search(after or before, text)]
    if not found:
        return len(texts)
    return found[0 if first else -1] + (1 if after else 0)


def check_expression(expression: str, what: str) -> None:
    """Raise ValueError unless this is a regular expression, or empty."""
    if not isinstance(expression, str):
        raise ValueError("%s must be text, not %r" % (what, expression))
    try:
        re.compile(expression)
    except re.error as error:
        raise ValueError("%r is not a regular expression: %s" % (expression, error)) from None


def check_place(after: str, before: str) -> None:
    """Raise ValueError unless at most one of the two is given, and is an expression."""
    check_expression(after, "after")
    check_expression(before, "before")
    if after and before:
        raise ValueError("after and before are two places: give one of them")
