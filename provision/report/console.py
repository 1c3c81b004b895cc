"""The report at a terminal: running hosts at the bottom, events above them, a table at the end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text

from provision.controller.events import Event, HostDone, Notice, StepDone, Stopping, Summary, UndeclaredFound
from provision.report.diffs import diff_lines
from provision.report.failure import host_failure, step_failure
from provision.report.live_rows import LiveRows
from provision.report.palette import KINDS, STATES
from provision.report.reporting import Report, Style, outcome
from provision.report.shared_steps import SharedSteps
from provision.report.shown_lines import ShownLine, flat
from provision.report.table import summary_table
from provision.report.terminal import Terminal

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
                    text = self._lead(event.host, event.role).append(flat(event.what))
                    self._print(text.append(f"  {event.why()}", "dim"))
                case Stopping():
                    self._print(Text(event.TEXT, "bold"))
                case HostDone():
                    self._host_done(event)

    def finish(self, summary: Summary) -> None:
        self.close()
        self._shared(list(summary.hosts))
        self._terminal.print("", summary_table(summary, self._style, self._seconds), "", sep="\n")
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
        gathered = self._style.gathers(event)
        if gathered:
            self._fleet.take(event)
        if not self._style.shows(event.state) or (gathered and self._style.plan):
            return
        text = self._lead(event.host, event.role)
        text.append(flat(event.step) + "  ").append(self._style.word(event.state), STATES[event.state])
        if event.why:
            text.append(f"  {flat(event.why)}", "dim")
        if self._style.verbose:
            text.append(f"  {event.ms:.0f} ms", "dim")
        failure = step_failure(event) if event.state == "failed" else ()
        differences = () if gathered else diff_lines(event.step, event.diff, self._style.diff_lines)
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
            if step.why:
                text.append(f"  {flat(step.why)}", "dim")
            self._print(text, diff_lines(step.step, step.diff, self._style.diff_lines))

    def _host_done(self, event: HostDone) -> None:
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
