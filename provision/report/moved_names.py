"""Differences that only come from names: a new instance has another hash in its name, and so in what names it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from provision.controller.events import StepDone
from provision.steps.base import Change

#: releases, instances and environments are named by twelve hex digits (apps/app_releases.py)
HASHED = re.compile(r"\b[0-9a-f]{12}\b")


def without_moved(change: Change) -> Change | None:
    """Return a change without the parts of its diff in which only a hash has moved; None if nothing is left."""
    if not change.text:
        return change
    head, hunks = in_hunks(change.text)
    left = [hunk for hunk in hunks if not only_moved(hunk)]
    if len(left) == len(hunks):
        return change
    return (
        change._replace(text="\n".join([*head, *(line for hunk in left for line in hunk)])) if left else None
    )


def in_hunks(text: str) -> tuple[list[str], list[list[str]]]:
    """Return the lines before the first hunk of a unified diff, and those of each hunk."""
    head: list[str] = []
    hunks: list[list[str]] = []
    for line in text.rstrip("\n").split("\n"):
        if line.startswith("@@"):
            hunks.append([line])
        else:
            (hunks[-1] if hunks else head).append(line)
    return head, hunks


def only_moved(hunk: Sequence[str]) -> bool:
    """Return whether the lines that go and those that come differ in hashes alone."""
    gone = [HASHED.sub("#", line[1:]) for line in hunk if line.startswith("-")]
    come = [HASHED.sub("#", line[1:]) for line in hunk if line.startswith("+")]
    return bool(gone) and gone == come


def is_turning(step: StepDone, before: Iterable[str]) -> bool:
    """Return whether a front only turns to other instances by a step. before: roles that have done so on its host."""
    if not step.diff:
        return False
    if step.role in before and all(change.what == "reload" for change in step.diff):
        return True
    return all(change.text and without_moved(change) is None for change in step.diff)


def turns_too(step: StepDone) -> bool:
    """Return whether a front turns to other instances by a step that changes other things as well."""
    return any(only_moved(hunk) for change in step.diff if change.text for hunk in in_hunks(change.text)[1])


def remaining(changes: Iterable[Change]) -> Iterator[Change]:
    """Yield the changes without what has only moved."""
    for change in changes:
        left = without_moved(change)
        if left is not None:
            yield left
