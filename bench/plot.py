"""The plot of the main figures. Drawn by matplotlib, which lives in the peers' environment."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

TITLES = {"first": "first deploy", "same": "nothing to change", "change": "one template changed"}
ORDER = ["Ansible", "Ansible + Mitogen", "pyinfra", "shell script", "prov", "ssh host true"]
COLOURS = ["#9aa5b1", "#7b8794", "#52606d", "#cbb279", "#0b7285", "#c9d1d9"]


def draw(record: Path, target: Path) -> None:
    """Have the record drawn; says nothing if there is nothing to draw, or nothing to draw with."""
    from bench.log import say
    from bench.tools.base import PEERS, ROOT

    argv = [str(PEERS / "python"), "-m", "bench.plot", str(record), str(target)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    if done.returncode:
        say(f"no plot: {done.stderr.strip().splitlines()[-1:]}")


def main(record: Path, target: Path) -> None:
    """Runs under the peers' Python."""
    import matplotlib  # type: ignore[import-not-found]

    matplotlib.use("svg")
    import matplotlib.pyplot as plt  # type: ignore[import-not-found]

    parts = json.loads(record.read_text())["parts"]
    stack = parts.get("stack on 1", {}).get("rows", [])
    rtt = parts.get("rtt", {}).get("rows", [])
    panels = [phase for phase in TITLES if medians(stack, phase=phase)]
    count = len(panels) + bool(rtt)
    if not count:
        return
    matplotlib.rcParams.update({"svg.hashsalt": "prov", "font.size": 9})
    figure, axes = plt.subplots(1, count, figsize=(3.6 * count, 3.2), layout="constrained", squeeze=False)
    for axis, phase in zip(axes[0], panels):
        bars(axis, medians(stack, phase=phase), TITLES[phase])
    if rtt:
        lines(axes[0][-1], rtt)
    figure.savefig(target, metadata={"Date": None})


def bars(axis: Any, found: dict[str, float], title: str) -> None:
    """Seconds of each tool, from zero: the lengths are in the ratio of the times."""
    names = [name for name in ORDER if name in found][::-1]
    colours = [COLOURS[ORDER.index(name)] for name in names]
    drawn = axis.barh(names, [found[name] for name in names], color=colours)
    axis.bar_label(drawn, fmt="%.2f", padding=3)
    axis.set_title(f"{title} (s)")
    axis.margins(x=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def lines(axis: Any, rows: list[dict[str, Any]]) -> None:
    """Seconds by added round-trip time."""
    rtts = sorted({row["rtt"] for row in rows})
    for name in ORDER:
        points = [medians(rows, phase="same", rtt=rtt).get(name) for rtt in rtts]
        if any(points):
            axis.plot(
                [r * 1000 for r in rtts], points, marker="o", label=name, color=COLOURS[ORDER.index(name)]
            )
    axis.set_yscale("log")
    axis.set_xlabel("added round-trip time, ms")
    axis.set_title("nothing to change, 1 host (s, log)")
    axis.legend(fontsize=7)
    axis.spines[["top", "right"]].set_visible(False)


def medians(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, float]:
    """Of seconds, by tool."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if "seconds" in row and all(row.get(name) == value for name, value in wanted.items()):
            found.setdefault(row["tool"], []).append(row["seconds"])
    return {name: statistics.median(values) for name, values in found.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
