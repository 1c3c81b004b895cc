"""Text files as editors leave them: rows that keep their own ends. Shipped to hosts (Python 3.8, standard library).

A row ends at LF alone: a form feed or U+2028 ends none, and a CR belongs to the end of its own row only. What is not
UTF-8 is kept byte for byte.
"""

import re
from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

from provision.errors import StepError

MARK = "\ufeff"  # UTF-8's byte order mark, which belongs to no row
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Row(NamedTuple):
    """One row. end: "\\n", "\\r\\n", or "" for a last row without one; None is for a new row: as its neighbours'."""

    text: str
    end: Optional[str] = None


class Rows(NamedTuple):
    """A whole file. mark: the byte order mark, or ""."""

    mark: str
    rows: List[Row]

    @property
    def texts(self) -> List[str]:
        """The rows without their ends."""
        return [row.text for row in self.rows]

    def data(self, rows: "Optional[Sequence[Row]]" = None) -> bytes:
        """The contents of a file with these rows; by default its own."""
        return encoded(self.mark + "".join(row.text + (row.end or "") for row in ended(rows or [])))


def rows_of(data: bytes, path: str) -> Rows:
    """The rows of a file's contents. Raises StepError for UTF-16, in which a line of UTF-8 would be no text."""
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
    """A text as the bytes that it was read from."""
    return text.encode("utf-8", "surrogateescape")


def new_rows(texts: Iterable[str]) -> List[Row]:
    """Rows that get the ends of those around them."""
    return [Row(text) for text in texts]


def ended(rows: Sequence[Row]) -> List[Row]:
    """The rows, each with an end: new ones, and one that is no longer the last, have that of the row before, or of
    the next that has one."""
    found = []
    before = next((row.end for row in rows if row.end), "\n")
    for number, row in enumerate(rows):
        wanted = row.end is None or (not row.end and number < len(rows) - 1)
        found.append(row._replace(end=before) if wanted else row)
        before = found[-1].end or before
    return found


def with_ends(text: str, rows: Sequence[Row], changes: "Sequence[Tuple[Tuple[int, int], str]]") -> str:
    """A text with changes, as the file's bytes have to be: rows that stay keep their ends, new ones have those of the
    rows that they come into.

    text: the rows, joined with LF; without rows, all ends are LF.
    changes: (start, stop) in it, and what comes there, in order.
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
    """The number of the row before which something new goes: after, or before, the last row in which an expression
    is found (first: the first one); at the end if there is none."""
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
