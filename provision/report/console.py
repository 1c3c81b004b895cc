"""The report at a terminal: running hosts at the bottom, events above them, a table at the end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text

from provision.controller.events import (
    Attention,
    Event,
    HostDone,
    MigrationsPending,
    Notice,
    ReleaseBuilt,
    Served,
    StepDone,
    Stopping,
    Summary,
    Switch,
    UndeclaredFound,
)
from provision.report.app_blocks import AppBlocks
from provision.report.attention_lines import AttentionLines
from provision.report.diffs import step_diff
from provision.report.failure import failed_app, host_failure, step_failure
from provision.report.live_rows import LiveRows
from provision.report.migration_lines import MigrationSummary
from provision.report.palette import KINDS, STATES
from provision.report.reporting import Report, Style, outcome
from provision.report.served_lines import BuiltSummary, ServedSummary, SwitchSummary
from provision.report.shared_steps import SharedSteps
from provision.report.shown_lines import ShownLine, flat
from provision.report.table import summary_table
from provision.report.terminal import Terminal
from provision.report.undeclared_things import UndeclaredThings
from provision.report.undone_things import reason

INDENT = "    "


class Console(Report):
    """hosts, roles: names that will occur, so that columns keep one width from the start."""

    def __init__(
        self, style: Style, hosts: Sequence[str], roles: Sequence[str], terminal: Terminal | None = None
    ) -> None:
        self._style = style
        self._terminal = terminal or Terminal(highlight=False)
        self._host_width = max(map(len, hosts), default=0)
        self._role_width = max(map(len, roles), default=0)
        self._rows = LiveRows(len(hosts), self._terminal)
        self._fleet = SharedSteps()
        self._apps = AppBlocks(style)
        #: steps of a plan for one host: shown after its applications
        self._held: list[StepDone] = []
        self._undeclared = UndeclaredThings(verbose=style.verbose)
        self._served, self._built = ServedSummary(), BuiltSummary()
        self._switches, self._migrations = SwitchSummary(), MigrationSummary()
        self._attention = AttentionLines()
        self._seconds: dict[str, float] = {}
        # held during a question: events that arrive then are shown afterwards
        self._talking = threading.Lock()
        self._live = Live(
            self._rows,
            console=self._terminal,
            transient=True,
            refresh_per_second=8,
            # output of libraries goes above the moving lines; a log file gets it unchanged
            redirect_stdout=False,
            redirect_stderr=sys.stderr.isatty(),
        )
        self._live.start()

    def take(self, event: Event) -> None:
        with self._talking:
            self._rows.take(event)
            match event:
                case StepDone():
                    self._step(event)
                case Notice() if self._style.tells(event):
                    self._print(self._lead(event.host, "").append(flat(event.text)))
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
                    self._print(Text(event.TEXT, "bold"))
                case HostDone():
                    self._host_done(event)

    def finish(self, summary: Summary) -> None:
        self.close()
        self._blocks(list(summary.hosts))
        self._shared(list(summary.hosts))
        for host in summary.hosts:
            self._no_longer(host)
        self._terminal.print("", summary_table(summary, self._style, self._seconds), "", sep="\n")
        for line in (
            *self._served.lines(),
            *self._migrations.lines(list(summary.hosts)),
            *self._built.lines(),
            *self._switches.lines(list(summary.hosts)),
            *self._attention.lines(list(summary.hosts)),
        ):
            self._print(Text(line.text, KINDS[line.kind]))
        self._print(Text(outcome(summary, self._style), "bold"))

    @contextmanager
    def paused(self) -> Iterator[None]:
        with self._talking:
            self._live.stop()
            try:
                yield
            finally:
                self._live.start()

    def close(self) -> None:
        self._live.stop()

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
        text = self._lead(event.host, event.role)
        text.append(f"{cause or flat(event.step)}  ").append(
            self._style.word(event.state), STATES[event.state]
        )
        if why := reason(event, self._style):
            text.append(f"  {why}", "dim")
        if self._style.verbose:
            text.append(f"  {event.ms:.0f} ms", "dim")
        failure = (
            step_failure(event, verbose=self._style.verbose, builtin=event.role in self._style.builtin)
            if event.state == "failed"
            else ()
        )
        differences = () if gathered else step_diff(event, self._style)
        self._print(text, differences, failure)

    def _shared(self, hosts: Sequence[str]) -> None:
        """Show once what several hosts share."""
        for shared in self._fleet.shared(hosts):
            step = shared.step
            text = Text()
            if shared.first:
                text.append(step.role.ljust(self._role_width) + "  ", "cyan").append(flat(step.step) + "  ")
            else:
                text.append("  ")
            text.append(f"{shared.hosts}  ", "bold").append(self._style.word(step.state), STATES[step.state])
            if why := reason(step, self._style):
                text.append(f"  {why}", "dim")
            self._print(text, step_diff(step, self._style))

    def _blocks(self, hosts: Sequence[str]) -> None:
        """Show the applications of hosts, and then the steps that waited for them."""
        for block, whose in self._apps.of(hosts):
            fleet = len(hosts) > 1
            text = Text() if fleet else self._lead(whose, "")
            text.append(block.app, "bold cyan").append("  ").append(block.title, STATES["changed"])
            self._print(text.append(f"  {whose}", "bold") if fleet else text, block.lines)
        held, self._held = self._held, []
        for event in held:
            self._line(event)

    def _no_longer(self, host: str) -> None:
        """Name what a host has that is no longer declared."""
        for role, what, why in self._undeclared.of(host):
            self._print(self._lead(host, role).append(what).append(f"  {why}", "dim"))

    def _host_done(self, event: HostDone) -> None:
        if not self._style.fleet:
            self._blocks([event.host])
        self._no_longer(event.host)
        self._seconds[event.host] = event.seconds
        if event.error is not None:
            state = "unreachable" if event.unreachable else "failed"
            text = self._lead(event.host, "").append(state, STATES[state])
            self._print(text, host_failure(event.host, event.error))

    def _lead(self, host: str, role: str) -> Text:
        """The first columns of every line."""
        text = Text().append(host.ljust(self._host_width), "bold").append("  ")
        return text.append(role.ljust(self._role_width) + "  ", "cyan") if role else text

    def _print(self, text: Text, *below: Iterable[ShownLine]) -> None:
        """Print a line and its details at once: every print redraws the moving lines."""
        indented = [line.indented(INDENT) for lines in below for line in lines]
        block = Text("\n").join([text, *(Text(line.text, KINDS[line.kind]) for line in indented)])
        # the terminal wraps long lines, so that they can be copied whole
        self._terminal.print(block, soft_wrap=True)
