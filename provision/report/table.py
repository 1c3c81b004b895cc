"""The table of hosts at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from provision.events import Summary
from provision.report.base import STATES, Style
from provision.report.palette import STATES as COLOURS


def summary_table(summary: Summary, style: Style, seconds: Mapping[str, float]) -> Table:
    """Hosts and their steps by state. seconds: of each host that ended.

    Only a plan, or a run with such steps, has a column of what may change.
    """
    may = style.plan or any(t.maybe for t in summary.hosts.values())
    states = [state for state in STATES if state != "maybe" or may]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("host", overflow="fold")
    for state in states:
        table.add_column(style.word(state), justify="right", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    for host, tally in summary.hosts.items():
        numbers = [getattr(tally, state) for state in states]
        cells = [Text(str(n), COLOURS[s] if n else "dim") for s, n in zip(states, numbers, strict=True)]
        took = f"{seconds[host]:.1f}" if host in seconds else "-"
        table.add_row(Text(host, "bold"), *cells, Text(took))
    return table
