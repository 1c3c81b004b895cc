"""Plain lines for logs and pipes: no colour, no movement, each line written whole."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TextIO

from provision.controller.events import (
    Attention,
    Connected,
    Event,
    HostDone,
    MigrationsPending,
    Notice,
    ReleaseBuilt,
    Served,
    StepDone,
    StepRunning,
    Stopping,
    Summary,
    Switch,
    Tally,
    UndeclaredFound,
)
from provision.report.app_blocks import AppBlocks
from provision.report.attention_lines import AttentionLines
from provision.report.diffs import step_diff
from provision.report.failure import failed_app, host_failure, step_failure
from provision.report.migration_lines import MigrationSummary
from provision.report.reporting import STATES, Ends, Report, Style, outcome
from provision.report.screen import write
from provision.report.served_lines import BuiltSummary, ServedSummary, SwitchSummary
from provision.report.shared_steps import SharedSteps
from provision.report.shown_lines import ShownLine, flat, last_line
from provision.report.undeclared_things import UndeclaredThings
from provision.report.undone_things import reason

INDENT = "    "
#: seconds without a line, after which what is running is shown
QUIET = 5.0


class PlainReport(Report):
    """One line for each step that is shown, with diffs and failures indented below it."""

    def __init__(self, out: TextIO, style: Style) -> None:
        self._out = out
        self._style = style
        self._ends = Ends()
        self._fleet = SharedSteps()
        self._apps = AppBlocks(style)
        #: steps of a plan for one host: shown after its applications
        self._held: list[StepDone] = []
        self._undeclared = UndeclaredThings(verbose=style.verbose)
        self._served, self._built = ServedSummary(), BuiltSummary()
        self._switches, self._migrations = SwitchSummary(), MigrationSummary()
        self._attention = AttentionLines()
        self._spoke = time.monotonic()

    def take(self, event: Event) -> None:
        self._ends.take(event)
        match event:
            case StepDone():
                self._step(event)
            case Connected():
                self._write(f"{event.host}: connected, {event.seconds:.2f} s")
            case StepRunning() if not self._style.plan:
                self._progress(event)
            case Notice() if self._style.tells(event):
                self._write(f"{event.host}: {flat(event.text)}")
            case UndeclaredFound():
                self._undeclared.take(event)
            case Attention():
                self._attention.take(event)
            case Served():
                self._served.take(event)
            case Switch():
                self._switches.take(event)
            case MigrationsPending():
                self._migrations.take(event)
            case ReleaseBuilt():
                self._built.take(event)
            case Stopping():
                self._write(event.TEXT)
            case HostDone():
                self._host_done(event)

    def finish(self, summary: Summary) -> None:
        self._blocks(list(summary.hosts))
        self._shared(list(summary.hosts))
        for host in summary.hosts:
            self._no_longer(host)
        for line in (
            *self._served.lines(),
            *self._migrations.lines(list(summary.hosts)),
            *self._built.lines(),
            *self._switches.lines(list(summary.hosts)),
            *self._attention.lines(list(summary.hosts)),
        ):
            self._write(line.text)
        for host, tally in summary.hosts.items():
            self._write(f"{host}: {counts(tally, self._style)}")
        self._write(outcome(summary, self._style))

    def _step(self, event: StepDone) -> None:
        if self._apps.takes(event):
            return
        gathered = self._style.gathers(event)
        if gathered:
            self._fleet.take(event)
        if not self._style.shows(event.state) or (gathered and self._style.plan):
            return
        if self._style.holds(event):
            self._held.append(event)
        else:
            self._line(event, gathered=gathered)

    def _line(self, event: StepDone, *, gathered: bool = False) -> None:
        cause = failed_app(event) if event.state == "failed" and not self._style.verbose else ""
        words = [
            event.host,
            *([cause] if cause else [event.role, flat(event.step), self._style.word(event.state)]),
        ]
        why = f" ({said})" if (said := reason(event, self._style)) else ""
        time = f", {event.ms:.0f} ms" if self._style.verbose else ""
        self._write(": ".join(part for part in words if part) + why + time)
        if not gathered:
            self._block(step_diff(event, self._style))
        if event.state == "failed":
            self._block(
                step_failure(event, verbose=self._style.verbose, builtin=event.role in self._style.builtin)
            )

    def _shared(self, hosts: Sequence[str]) -> None:
        """Show once what several hosts share."""
        for shared in self._fleet.shared(hosts):
            step = shared.step
            words = [step.role, flat(step.step)] if shared.first else []
            why = f" ({said})" if (said := reason(step, self._style)) else ""
            name = ": ".join(part for part in words if part)
            word = self._style.word(step.state) + why
            self._write(f"{name}: {word}: {shared.hosts}" if shared.first else f"  {shared.hosts}: {word}")
            self._block(step_diff(step, self._style))

    def _blocks(self, hosts: Sequence[str]) -> None:
        """Show the applications of hosts, and then the steps that waited for them."""
        for block, whose in self._apps.of(hosts):
            fleet = len(hosts) > 1
            self._write(
                f"{block.app}: {block.title}: {whose}" if fleet else f"{whose}: {block.app}: {block.title}"
            )
            self._block(block.lines)
        held, self._held = self._held, []
        for event in held:
            self._line(event)

    def _no_longer(self, host: str) -> None:
        """Name what a host has that is no longer declared."""
        for words in self._undeclared.of(host):
            self._write(": ".join(filter(None, [host, *words])))

    def _host_done(self, event: HostDone) -> None:
        if not self._style.fleet:
            self._blocks([event.host])
        self._no_longer(event.host)
        self._write(f"{event.host}: {self._ends.state(event)}, {event.seconds:.2f} s")
        if event.error is not None:
            self._block(host_failure(event.host, event.error))

    def _block(self, lines: Iterable[ShownLine]) -> None:
        for line in lines:
            self._write(line.indented(INDENT).text)

    def _progress(self, event: StepRunning) -> None:
        """Show what takes long, so that a log does not fall silent."""
        if time.monotonic() - self._spoke > QUIET:
            words = filter(None, [event.host, event.role, flat(event.step), last_line(event.text)])
            self._write(": ".join(words))

    def _write(self, text: str) -> None:
        self._spoke = time.monotonic()
        write(self._out, text)


def counts(tally: Tally, style: Style) -> str:
    """Return `12 ok, 3 would change`; ok and changed are always shown."""
    values = {state: getattr(tally, state) for state in STATES}
    shown = {s: n for s, n in values.items() if n or s in ("ok", "changed")}
    return ", ".join(f"{n} {style.word(s)}" for s, n in shown.items())
