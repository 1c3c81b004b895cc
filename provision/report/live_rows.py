"""The moving lines at the bottom of the terminal: one for each running host, at most a screenful."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from provision.controller.events import Connected, Connecting, Event, HostDone, StepDone, StepRunning
from provision.report.reporting import counted
from provision.report.shown_lines import flat, last_line
from provision.values import dataclass

#: hosts shown at most, however tall the screen
MOST = 15
#: lines of the screen kept free for events
KEEP_FREE = 4


@dataclass
class HostRow:
    """What one host is doing. since: when it began, by the clock."""

    host: str
    since: float
    role: str = ""
    step: str = "connecting"
    text: str = ""


class LiveRows:
    """Takes events and draws the rows whenever rich asks for them."""

    def __init__(self, hosts: int, terminal: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._hosts = hosts
        self._terminal = terminal
        self._clock = clock
        self._rows: dict[str, HostRow] = {}
        self._done = 0
        encoding = terminal.encoding.lower()
        self._spinner = Spinner("dots" if encoding.startswith("utf") else "line")

    def take(self, event: Event) -> None:
        """Note what an event says about its host."""
        row = self._rows.get(event.host)
        match event:
            case Connecting():
                self._rows[event.host] = HostRow(event.host, self._clock())
            case Connected() if row:
                row.step = "starting"
            case StepRunning() if row:
                if (row.role, row.step) != (event.role, flat(event.step)):
                    row.since = self._clock()
                row.role, row.step, row.text = event.role, flat(event.step), last_line(event.text)
            case StepDone() if row:
                row.role, row.step, row.text, row.since = event.role, "", "", self._clock()
            case HostDone():
                self._done += 1
                self._rows.pop(event.host, None)

    def __rich__(self) -> RenderableType:
        # a copy: rich draws from a thread of its own
        running = list(self._rows.values())
        room = max(1, min(MOST, self._terminal.height - KEEP_FREE))
        shown = running if len(running) <= room else running[:room]
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        for _ in ("spinner", "host", "role"):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=self._terminal.width // 2)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(no_wrap=True, justify="right")
        for row in shown:
            words = (Text(row.host, "bold"), Text(row.role, "cyan"), Text(row.step), Text(row.text, "dim"))
            table.add_row(self._spinner, *words, Text(duration(self._clock() - row.since), "dim"))
        return Group(table, Text(self._footer(len(running), len(shown)), "dim")) if self._hosts > 1 else table

    def _footer(self, running: int, shown: int) -> str:
        hidden = f" ({running - shown} not shown)" if shown < running else ""
        waiting = self._hosts - running - self._done
        parts = [f"{counted(running, 'host')} running{hidden}"]
        parts += [f"{waiting} waiting"] if waiting else []
        parts += [f"{self._done} done"] if self._done else []
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return `12 s`, or `1:05` from one minute on."""
    whole = int(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02}"
