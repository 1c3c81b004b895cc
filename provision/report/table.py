"""The table of hosts at the end of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from provision.controller.events import Summary
from provision.report.palette import STATES as COLOURS
from provision.report.reporting import STATES, Style
from provision.report.terminal import Terminal

ALWAYS = ("ok", "changed", "failed")


def summary_table(summary: Summary, style: Style, seconds: Mapping[str, float]) -> Table:
    """Hosts and their steps by state. seconds: of each host that ended.

    Rare states have a column only where they occur, so that the table fits a narrow terminal.
    """
    states = [s for s in STATES if s in ALWAYS or any(getattr(t, s) for t in summary.hosts.values())]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("host", overflow="fold")
    for state in states:
        table.add_column(style.word(state), justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for host, tally in summary.hosts.items():
        numbers = [getattr(tally, state) for state in states]
        cells = [Text(str(n), COLOURS[s] if n else "dim") for s, n in zip(states, numbers, strict=True)]
        took = f"{seconds[host]:.1f} s" if host in seconds else "-"
        table.add_row(Text(host, "bold"), *cells, Text(took))
    return table


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as a table. columns: their names, in capitals."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column.capitalize())
    for cells in rows:
        table.add_row(*(Text(cell) for cell in cells))  # Text: a name in brackets is not markup
    Terminal().print(table)
