"""Plain lines for logs and pipes: no colour, no movement, each line written whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

from provision.controller.events import (
    Connected,
    Event,
    HostDone,
    Notice,
    StepDone,
    Stopping,
    Summary,
    Tally,
    UndeclaredFound,
)
from provision.report.diffs import diff_lines
from provision.report.failure import host_failure, step_failure
from provision.report.reporting import STATES, Ends, Report, Style, outcome
from provision.report.screen import write
from provision.report.shared_steps import SharedSteps
from provision.report.shown_lines import ShownLine, flat

INDENT = "    "


class PlainReport(Report):
    """One line for each step that is shown, with diffs and failures indented below it."""

    def __init__(self, out: TextIO, style: Style) -> None:
        self._out = out
        self._style = style
        self._ends = Ends()
        self._fleet = SharedSteps()

    def take(self, event: Event) -> None:
        self._ends.take(event)
        match event:
            case StepDone():
                self._step(event)
            case Connected():
                self._write(f"{event.host}: connected, {event.seconds:.2f} s")
            case Notice() if self._style.tells(event):
                self._write(f"{event.host}: {flat(event.text)}")
            case UndeclaredFound():
                words = filter(None, [event.host, event.role, flat(event.what), event.why()])
                self._write(": ".join(words))
            case Stopping():
                self._write(event.TEXT)
            case HostDone():
                self._host_done(event)

    def finish(self, summary: Summary) -> None:
        self._shared(list(summary.hosts))
        for host, tally in summary.hosts.items():
            self._write(f"{host}: {counts(tally, self._style)}")
        self._write(outcome(summary, self._style))

    def _step(self, event: StepDone) -> None:
        gathered = self._style.gathers(event)
        if gathered:
            self._fleet.take(event)
        if not self._style.shows(event.state) or (gathered and self._style.plan):
            return
        words = [event.host, event.role, flat(event.step), self._style.word(event.state)]
        why = f" ({flat(event.why)})" if event.why else ""
        time = f", {event.ms:.0f} ms" if self._style.verbose else ""
        self._write(": ".join(part for part in words if part) + why + time)
        if not gathered:
            self._block(diff_lines(event.step, event.diff, self._style.diff_lines))
        if event.state == "failed":
            self._block(step_failure(event))

    def _shared(self, hosts: Sequence[str]) -> None:
        """Show once what several hosts share."""
        for shared in self._fleet.shared(hosts):
            step = shared.step
            words = [step.role, flat(step.step)] if shared.first else []
            why = f" ({flat(step.why)})" if step.why else ""
            name = ": ".join(part for part in words if part)
            word = self._style.word(step.state) + why
            self._write(f"{name}: {word}: {shared.hosts}" if shared.first else f"  {shared.hosts}: {word}")
            self._block(diff_lines(step.step, step.diff, self._style.diff_lines))

    def _host_done(self, event: HostDone) -> None:
        self._write(f"{event.host}: {self._ends.state(event)}, {event.seconds:.2f} s")
        if event.error is not None:
            self._block(host_failure(event.host, event.error))

    def _block(self, lines: Iterable[ShownLine]) -> None:
        for line in lines:
            self._write(line.indented(INDENT).text)

    def _write(self, text: str) -> None:
        write(self._out, text)


def counts(tally: Tally, style: Style) -> str:
    """Return `12 ok, 3 would change`; ok and changed are always shown."""
    values = {state: getattr(tally, state) for state in STATES}
    shown = {s: n for s, n in values.items() if n or s in ("ok", "changed")}
    return ", ".join(f"{n} {style.word(s)}" for s, n in shown.items())
