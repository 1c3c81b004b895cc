"""Show tests of roles at a terminal: a table that fills as stages end, with failures above it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich import box
from rich.console import RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from provision.report.live_rows import duration
from provision.report.palette import KINDS
from provision.report.terminal import Terminal
from provision.testing.results import STAGES, Event, Finished, StageDone, StageStarted, TrialDone
from provision.testing.trial_report import TrialReport, outcome, shown_lines
from provision.testing.trials import Trial

#: a symbol and a colour for each state
STATES = {"passed": ("ok", "green"), "failed": ("FAILED", "bold red"), "skipped": ("-", "dim")}


class TrialTable(TrialReport):
    """The table. trials: all trials of the run.  stages: names of their stages, in order."""

    def __init__(
        self,
        trials: Sequence[Trial],
        terminal: Terminal | None = None,
        stages: Sequence[str] = STAGES,
    ) -> None:
        self._trials, self._stages = trials, stages
        self._terminal = terminal or Terminal(highlight=False)
        self._cells: dict[tuple[str, str], RenderableType] = {}
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._spinner = Spinner("dots" if self._terminal.encoding.lower().startswith("utf") else "line")
        self._live = Live(
            get_renderable=self._table,
            console=self._terminal,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=sys.stderr.isatty(),
        )
        self._live.start()

    def take(self, event: Event) -> None:
        name = event.trial.name
        match event:
            case StageStarted():
                self._began.setdefault(name, time.monotonic())
                self._cells[name, event.stage] = self._spinner
            case StageDone():
                self._cells[name, event.stage] = Text(*STATES[event.state])
            case TrialDone():
                self._took[name] = event.seconds
        worth_telling = not isinstance(event, StageDone) or event.state == "failed"
        shown = list(shown_lines(event)) if worth_telling else []
        if shown:
            block = Text("\n").join(Text(line.text, KINDS[line.kind]) for line in shown)
            self._terminal.print(block, soft_wrap=True)

    def finish(self, finished: Finished, seconds: float) -> None:
        self.close()
        self._terminal.print(Text(outcome(finished, seconds), "bold"), soft_wrap=True)

    def close(self) -> None:
        self._live.stop()

    def _table(self) -> RenderableType:
        # a copy, because rich draws in a thread of its own
        cells = dict(self._cells)
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("trial", overflow="fold")
        for stage in self._stages:
            table.add_column(stage)
        table.add_column("time", justify="right", no_wrap=True)
        for trial in self._trials:
            row = [cells.get((trial.name, stage), Text("")) for stage in self._stages]
            table.add_row(Text(trial.name, "bold"), *row, Text(self._time(trial.name), "dim"))
        return table

    def _time(self, name: str) -> str:
        if name in self._took:
            return duration(self._took[name])
        return duration(time.monotonic() - self._began[name]) if name in self._began else ""
