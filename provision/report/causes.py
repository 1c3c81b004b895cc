"""Why a step changes something, in one line, without the differences of contents."""

from __future__ import annotations

from provision.controller.events import StepDone
from provision.controller.session import INSTALL_PYTHON
from provision.report.shown_lines import flat
from provision.steps.base import Change

OWED = ("restart", "reload")


def causes(step: StepDone) -> str:
    """Return why a step would change something."""
    if step.step == INSTALL_PYTHON:
        return "not there"
    return "; ".join(dict.fromkeys(cause(change) for change in step.diff))


def cause(change: Change) -> str:
    """Return one reason."""
    what, before, after = flat(change.what), flat(change.before), flat(change.after)
    if change.text:
        return what
    if what == "command":
        return "has to run"
    if what in OWED:
        return f"{what} owed, {after}"
    return f"{what} {before} -> {after}" if before and after else f"{what} {before or after}".rstrip()
