"""prov with 40 and with 500 steps of files and directories, nothing to change."""

from __future__ import annotations

import json

from bench.lab import Bench
from bench.log import say
from bench.measure import Failed, Run, run
from bench.record import alternating
from bench.tools.prov import deploy

PART = "steps"
COUNTS = (40, 500)


def measure(bench: Bench) -> None:
    """Both, alternating; and what the host itself spent on the steps."""
    points = bench.points[:1] or bench.fresh(1)
    bench.record.begin(PART)
    own: dict[str, float] = {}

    def deployed(count: str, *options: str) -> Run:
        work = bench.folder()
        command = deploy(points, work, {"roles": ["many"], "many": {"count": int(count)}}, *options)
        return run(command, timeout=120)

    def once(count: str) -> None:
        done = deployed(count)
        bench.record.add(
            PART,
            case=f"{count} steps",
            seconds=done.seconds,
            cpu=done.cpu,
            also={"host's own seconds for the steps": round(own[count], 3)},
        )
        say(f"{count} steps: {done.seconds:.2f} s")

    names = [str(count) for count in COUNTS]
    for name in names:
        deployed(name)
        events = [
            json.loads(line) for line in deployed(name, "--json").output.splitlines() if line.startswith("{")
        ]
        steps = [e for e in events if e["event"] == "step"]
        if len(steps) != int(name) or any(e["state"] != "ok" for e in steps):
            raise Failed(f"{name} steps: {len(steps)} were reported, or not all were in the wanted state")
        own[name] = sum(e["ms"] for e in steps) / 1000
    alternating(names, bench.rounds, once)
