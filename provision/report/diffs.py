"""Differences as lines: a sign in front says what each is, so that nothing depends on colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from provision.controller.visible import visible
from provision.report.shown_lines import ShownLine, flat
from provision.steps.base import Change


def diff_lines(step: str, changes: Iterable[Change], most: int | None) -> Iterator[ShownLine]:
    """All changes of one step but one that only says the step's name again.

    most: lines of one unified diff; None shows all, 0 shows no changes at all.
    """
    if most == 0:
        return
    for change in changes:
        if change.text:
            yield from unified(change, most)
        elif change.before or f"{change.what} {change.after}" != step:
            yield short(change)


def short(change: Change) -> ShownLine:
    """`+ package nginx 1.22`, `- user bob`, `~ mode 0644 -> 0600`."""
    what, before, after = flat(change.what), flat(change.before), flat(change.after)
    if before and after:
        return ShownLine("hunk", f"~ {what} {before} -> {after}")
    if before:
        return ShownLine("remove", f"- {what} {before}")
    return ShownLine("add", f"+ {what} {after}".rstrip())


def unified(change: Change, most: int | None) -> Iterator[ShownLine]:
    """A unified diff, cut after so many lines."""
    found = change.text.rstrip("\n").split("\n")
    shown = found if most is None or len(found) <= most + 1 else found[:most]
    in_hunks = False
    for text in shown:
        in_hunks = in_hunks or text.startswith("@@")
        yield ShownLine(kind_of(text, in_hunks), visible(text))
    if len(shown) < len(found):
        yield ShownLine("dim", f"... {len(found) - len(shown)} more lines (--diff shows all)")


def kind_of(text: str, in_hunks: bool) -> str:
    """What a line of a unified diff is; the two lines before the first hunk name the file."""
    if not in_hunks:
        return "dim"
    return {"+": "add", "-": "remove", "@": "hunk"}.get(text[:1], "")
