"""The record as tables in Markdown."""

from __future__ import annotations

from typing import Any

from bench.bars import bars
from bench.record import ResultRows, Row, median, select
from bench.stack import STEPS
from bench.tools import TOOLS, Floor

PHASES = {"first": "first deploy", "same": "nothing to change", "change": "one template changed"}


def markdown(record: ResultRows) -> str:
    """All that is in the record."""
    data, parts = record.data, record.parts()
    m = data.get("machine", {})
    lines = [
        "# Benchmark: prov beside its peers",
        "",
        f"Written by `make bench`; the raw figures are beside this file. Machine: {m.get('cores')} cores,"
        f" {m.get('memory_gb')} GB of memory, Linux {m.get('linux')}; hosts and controller share it.",
        f"The stack has {STEPS} steps. Seconds are medians, in brackets the ratio to prov's in the same run.",
        "",
        "Versions: " + "; ".join(dict.fromkeys(data.get("versions", {}).values())) + ".",
        "",
    ]
    for name, part in parts.items():
        writer = next((w for prefix, w in WRITERS.items() if name.startswith(prefix)), None)
        if writer is None or not part["rows"]:
            continue
        lines += [f"## {TITLES.get(name, name.capitalize())}", ""]
        lines += [*writer(part["rows"]), ""]
        lines += [f"{part['at']}, load of the machine before: {part['load']}.", ""]
    lines += ["## Bars of the specification", "", *table(["bar", "measured", ""], bars(parts)), ""]
    return "\n".join(lines)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def seconds(rows: list[Row], reference: list[Row] | None = None, figure: str = "seconds") -> str:
    """The median, with its ratio to the reference's; "failed" if all have failed, "" if there is none."""
    value = median(rows, figure)
    if value is None:
        return "failed" if any("failed" in row for row in rows) else ""
    base = median(reference, figure) if reference else None
    shown = f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return shown + (f" ({value / base:.1f})" if base else "")


def tools_in(rows: list[Row]) -> list[str]:
    """Names of tools with rows, the floor last."""
    have = {row.get("tool") for row in rows}
    return [name for name in [*TOOLS, Floor.name] if name in have]


def stack_table(rows: list[Row]) -> list[str]:
    """Seconds of the three figures, CPU and memory."""
    found = []
    for name in tools_in(rows):
        mine = select(rows, tool=name)
        cells = []
        for phase in PHASES:
            reference = select(rows, tool="prov", phase=phase) if name != "prov" else None
            cells.append(seconds(select(mine, phase=phase), reference))
        same = select(mine, phase="same")
        cells.append(seconds(same, None, "cpu"))
        cells.append(f"{median(same, 'rss') or 0:.0f}" if same else "")
        cells.append("/".join(str(len([r for r in select(mine, phase=p) if "seconds" in r])) for p in PHASES))
        found.append([name, *cells])
    lines = table(
        ["", *(f"{p}, s" for p in PHASES.values()), "CPU¹, s", "memory², MB", "runs"],
        found,
    )
    states = select(rows, phase="state")
    if states:
        unequal = [d for row in states for d in row["unequal"]]
        lines += ["", f"States after the first deploys compared: {'equal' if not unequal else 'NOT equal'}."]
        lines += [f"- {line}" for line in unequal]
    return [*lines, "", "¹ of the controller, nothing to change. ² of its largest process."]


def rtt_table(rows: list[Row]) -> list[str]:
    """Seconds by added round-trip time."""
    rtts = sorted({row["rtt"] for row in rows})
    found = []
    for name in tools_in(rows):
        cells = []
        for phase in ("same", "change"):
            for rtt in rtts:
                mine = select(rows, tool=name, rtt=rtt, phase=phase)
                reference = select(rows, tool="prov", rtt=rtt, phase=phase) if name != "prov" else None
                cells.append(seconds(mine, reference))
        low = median(select(rows, tool=name, rtt=0, phase="same"))
        high = median(select(rows, tool=name, rtt=rtts[-1], phase="same"))
        trips = f"{(high - low) / rtts[-1]:.1f}" if low and high and rtts[-1] else ""
        found.append([name, *cells, trips])
    head = [f"{PHASES[p]}, {rtt * 1000:.0f} ms" for p in ("same", "change") for rtt in rtts]
    note = (
        "Round trips: how many times the added time the run has become longer (nothing to change);"
        " TCP's and SSH's own are in it."
    )
    return [*table(["", *head, "round trips"], found), "", note]


def wire_table(rows: list[Row]) -> list[str]:
    """Bytes, flights, connections, memory."""
    found = []
    for name in tools_in(rows):
        row = select(rows, tool=name, phase="same")
        if not row or "failed" in row[-1]:
            continue
        r = row[-1]
        found.append(
            [
                name,
                f"{r['sent'] / 1000:.1f}",
                f"{r['received'] / 1000:.1f}",
                str(r["flights"]),
                str(r["connections"]),
                f"{r['memory']:.0f}",
                str(r["threads"]),
            ]
        )
    head = [
        "nothing to change",
        "kB sent",
        "kB received",
        "flights of the client",
        "connections",
        "memory, MB",
        "threads",
    ]
    note = (
        "A flight is what the client says after the host has spoken, counted on the wire at the first RTT above 0."
        " Memory is of all processes of the tool at once (PSS)."
    )
    return [*table(head, found), "", note]


def plain_table(rows: list[Row]) -> list[str]:
    """A line for each case: median and runs."""
    cases = list(dict.fromkeys(row["case"] for row in rows))
    found = []
    for case in cases:
        mine = select(rows, case=case)
        extra = ", ".join(f"{k} {v}" for k, v in mine[-1].get("also", {}).items())
        found.append([case, seconds(mine), seconds(mine, None, "cpu"), str(len(mine)), extra])
    return table(["", "seconds", "CPU, s", "runs", ""], found)


WRITERS: dict[str, Any] = {
    "stack": stack_table,
    "rtt": rtt_table,
    "wire": wire_table,
    "steps": plain_table,
    "kept": plain_table,
    "tree": plain_table,
    "copies": plain_table,
    "scale": plain_table,
    "startup": plain_table,
    "inventory": plain_table,
}
TITLES = {
    "rtt": "With added round-trip time, one host",
    "wire": "On the wire and in memory",
    "steps": "Many steps, nothing to change",
    "kept": "Connections kept and fresh, nothing to change",
    "copies": "First copies",
    "tree": "One file changed in an application of 2,000 files and 50 MB",
    "scale": "Many light hosts, a role of one step, nothing to change",
    "startup": "Starting prov",
    "inventory": "Reading an inventory",
}
