"""What `prov drift` shows: a block for each application as in a plan, then a line for each other difference."""

from __future__ import annotations

from typing import TextIO

from provision.controller.events import Event, StepDone, Summary
from provision.report.answers import AnswerReport
from provision.report.app_blocks import AppBlocks
from provision.report.causes import causes
from provision.report.reporting import Style, counted
from provision.report.shared_steps import SharedSteps
from provision.report.shown_lines import flat

INDENT = "    "


class DriftShown(AnswerReport):
    """Shows `nginx: file /etc/nginx/nginx.conf: content  web1, web2 (2 of 30)`, when all hosts have
    answered. style: of a plan, for the blocks of applications."""

    def __init__(self, style: Style, out: TextIO | None = None, err: TextIO | None = None) -> None:
        super().__init__(out, err)
        self._apps = AppBlocks(style)
        self._drift = SharedSteps(same=causes)
        self._unknown = 0

    def take(self, event: Event) -> None:
        if isinstance(event, StepDone) and event.state == "changed" and not self._apps.takes(event):
            self._drift.take(event)
        if isinstance(event, StepDone) and event.state == "maybe":
            self._unknown += 1
        super().take(event)

    def finish(self, summary: Summary) -> None:
        hosts = list(summary.hosts)
        for block, whose in self._apps.of(hosts):
            self._answer(f"{block.app}: {block.title}  {whose}")
            for line in block.lines:
                self._answer(line.indented(INDENT).text)
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
