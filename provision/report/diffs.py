"""Differences as lines, each with a sign, so that nothing depends on colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from provision.controller.visible import visible
from provision.report.shown_lines import ShownLine, flat
from provision.steps.base import Change


def diff_lines(step: str, changes: Iterable[Change], most: int | None) -> Iterator[ShownLine]:
    """Return the lines of a step's changes, except one that only repeats the step's name.

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
    """Return a unified diff, cut after `most` lines."""
    found = change.text.rstrip("\n").split("\n")
    shown = found if most is None or len(found) <= most + 1 else found[:most]
    in_hunks = False
    for text in shown:
        in_hunks = in_hunks or text.startswith("@@")
        yield ShownLine(kind_of(text, in_hunks), visible(text))
    if len(shown) < len(found):
        yield ShownLine("dim", f"... {len(found) - len(shown)} more lines (--diff shows all)")


def kind_of(text: str, in_hunks: bool) -> str:
    """Return the kind of a line in a unified diff; the two lines before the first hunk name the file."""
    if not in_hunks:
        return "dim"
    return {"+": "add", "-": "remove", "@": "hunk"}.get(text[:1], "")
