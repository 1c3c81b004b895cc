"""Base of the reports of ping, facts and run: answers go to stdout, everything else to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TextIO

from provision.controller.events import Attention, Event, HostDone, Notice, StepDone, Stopping, Summary
from provision.controller.session import INSTALL_PYTHON
from provision.report.failure import host_failure, step_failure
from provision.report.reporting import Ends, Report
from provision.report.screen import write
from provision.report.shown_lines import ShownLine, flat


class AnswerReport(Report):
    """Shows what went wrong; subclasses show the answers. PYTHON: what to say of a host that had no
    python3."""

    PYTHON = "has no python3 yet; a deploy installs it"

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._ends = Ends()

    def take(self, event: Event) -> None:
        self._ends.take(event)
        match event:
            case Notice() if not event.detail:
                self._tell(f"{event.host}: {flat(event.text)}")
            case Attention():
                self._tell(f"! {event.host}: {flat(event.text)}")
            case Stopping():
                self._tell(event.TEXT)
            case StepDone() if event.step == INSTALL_PYTHON and event.state != "failed":
                self._tell(f"{event.host}: {self.PYTHON}")
            case StepDone() if event.state == "failed":
                self._tell(f"{event.host}: {flat(event.step)}: failed", step_failure(event))
            case HostDone() if event.error is not None:
                self._tell(f"{event.host}: {self._ends.state(event)}", host_failure(event.host, event.error))

    def finish(self, summary: Summary) -> None:
        """Show nothing: the answers are complete."""

    def _answer(self, text: str) -> None:
        write(self._out, text)

    def _tell(self, text: str, below: Iterable[ShownLine] = ()) -> None:
        write(self._err, "\n".join([text, *(line.indented("    ").text for line in below)]))
