"""Differences as lines, each with a sign, so that nothing depends on colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from provision.controller.events import StepDone
from provision.controller.visible import visible
from provision.report.moved_names import remaining
from provision.report.reporting import Style, counted
from provision.report.shown_lines import ShownLine, flat
from provision.report.undeclared_things import is_prune, removed
from provision.report.undone_things import is_undo, put_back
from provision.steps.base import Change

#: lines of a folded diff that are shown of its end
TAIL = 4
#: a difference of a built-in role with more lines is counted
BRIEF = 10
#: what a new thing has: not worth a line
ATTRIBUTES = ("mode", "owner", "group")
#: what changes of a unit that begins or ends to run, in one line
UNIT_STATES = ("enabled", "running")
#: packages of one step that are listed one a line
FEW_PACKAGES = 3


def step_diff(step: StepDone, style: Style) -> Iterator[ShownLine]:
    """Return the lines of a step's changes: of built-in roles and undo in brief, and without what has only moved."""
    if is_undo(step) and not style.verbose:
        own, rest = put_back(step.diff)
        return chain(own, diff_lines(step.step, rest, style.diff_lines))
    if is_prune(step) and not style.verbose:
        own, rest = removed(step.diff)
        return chain(own, diff_lines(step.step, rest, style.diff_lines))
    if style.verbose or style.diff_lines is None:
        return diff_lines(step.step, step.diff, style.diff_lines)
    changes = list(remaining(step.diff))
    if step.role in style.builtin and style.diff_lines:
        return in_brief(step.step, changes)
    return diff_lines(step.step, changes, style.diff_lines)


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


def in_brief(step: str, changes: Sequence[Change]) -> Iterator[ShownLine]:
    """Return the lines of a built-in role's step: what is new is counted, as its words are prov's own."""
    packages = [change for change in changes if change.what.startswith("package ") and not change.before]
    many = len(packages) > FEW_PACKAGES
    if many:
        names = [flat(change.what.removeprefix("package ")) for change in packages]
        more = f" and {len(names) - FEW_PACKAGES} more" if len(names) > FEW_PACKAGES else ""
        yield ShownLine("add", f"+ packages {', '.join(names[:FEW_PACKAGES])}{more}")
    states = [change for change in changes if change.what in UNIT_STATES and change.before and change.after]
    if len(states) > 1:
        yield ShownLine("hunk", "~ " + ", ".join(short(change).text.removeprefix("~ ") for change in states))
        changes = [change for change in changes if change not in states]
    for change in changes:
        repeats = change.after and step.endswith(f" {change.after}")
        if (many and change in packages) or (not change.before and (change.what in ATTRIBUTES or repeats)):
            continue
        if not change.text:
            yield short(change)
            continue
        found = list(unified(change, None))
        come, gone = (sum(line.kind == kind for line in found) for kind in ("add", "remove"))
        if is_new(change) or len(found) > BRIEF:
            if gone:
                yield ShownLine(
                    "hunk", f"~ {flat(change.what)}, {counted(come, 'line')} added, {gone} removed"
                )
            else:
                yield ShownLine("add", f"+ {flat(change.what)}, {counted(come, 'line')}")
        else:
            yield from found


def short(change: Change) -> ShownLine:
    """`+ package nginx 1.22`, `- user bob`, `~ mode 0644 -> 0600`."""
    what, before, after = flat(change.what), flat(change.before), flat(change.after)
    if before and after:
        return ShownLine("hunk", f"~ {what} {before} -> {after}")
    if before:
        return ShownLine("remove", f"- {what} {before}")
    return ShownLine("add", f"+ {what} {after}".rstrip())


def is_new(change: Change) -> bool:
    """Return whether a diff is of contents that there were none of before."""
    return "\n@@ -0,0 " in f"\n{change.text}"


def unified(change: Change, most: int | None) -> Iterator[ShownLine]:
    """Return a unified diff, folded to about `most` lines."""
    found = []
    in_hunks = False
    for text in change.text.rstrip("\n").split("\n"):
        in_hunks = in_hunks or text.startswith("@@")
        found.append(ShownLine(kind_of(text, in_hunks), visible(text)))
    yield from folded(found, most)


def folded(found: Sequence[ShownLine], most: int | None) -> Iterator[ShownLine]:
    """Return lines, without the middle of more than `most`."""
    if most is None or len(found) <= most + 1:
        yield from found
        return
    tail = min(TAIL, most // 3)
    yield from found[: most - tail]
    yield ShownLine("dim", f"... {len(found) - most} more lines (--diff shows all)")
    yield from found[len(found) - tail :]


def kind_of(text: str, in_hunks: bool) -> str:
    """Return the kind of a line in a unified diff; the two lines before the first hunk name the file."""
    if not in_hunks:
        return "dim"
    return {"+": "add", "-": "remove", "@": "hunk"}.get(text[:1], "")
