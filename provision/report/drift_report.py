"""What `prov drift` shows: a line for each difference from the inventory, with its hosts."""

from __future__ import annotations

from typing import TextIO

from provision.controller.events import Event, StepDone, Summary
from provision.controller.session import INSTALL_PYTHON
from provision.report.answers import AnswerReport
from provision.report.reporting import counted
from provision.report.shared_steps import SharedSteps
from provision.report.shown_lines import flat
from provision.steps.base import Change

OWED = ("restart", "reload")


class DriftShown(AnswerReport):
    """Shows `nginx: file /etc/nginx/nginx.conf: content  web1, web2 (2 of 30)`, when all hosts have
    answered."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        super().__init__(out, err)
        self._drift = SharedSteps(same=causes)
        self._unknown = 0

    def take(self, event: Event) -> None:
        if isinstance(event, StepDone) and event.state == "changed":
            self._drift.take(event)
        if isinstance(event, StepDone) and event.state == "maybe":
            self._unknown += 1
        super().take(event)

    def finish(self, summary: Summary) -> None:
        hosts = list(summary.hosts)
        for shared in self._drift.shared(hosts):
            step = shared.step
            name = ": ".join(flat(part) for part in (step.role, step.step) if part)
            self._answer(f"{name}: {causes(step)}  {shared.hosts}")
        drifted = sum(1 for tally in summary.hosts.values() if tally.changed)
        silent = sum(1 for tally in summary.hosts.values() if tally.unreachable or tally.failed)
        if not (drifted or silent or self._err.isatty()):
            # cron mails any output
            return
        if self._unknown:
            steps = counted(self._unknown, "command")
            self._tell(f"{steps} cannot be checked without running them; not counted as drift (prov plan)")
        words = [f"drift on {drifted} of {counted(len(hosts), 'host')}" if drifted else "no drift"]
        words += [f"{silent} could not be checked completely"] if silent else []
        self._tell(f"{', '.join(words)}, {summary.seconds:.1f} s")


def causes(step: StepDone) -> str:
    """Return why a step would change something, without diffs of contents."""
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
