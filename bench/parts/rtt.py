"""One host behind a longer line: nothing to change, one template changed, by added round-trip time."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bench.lab import Bench
from bench.log import say
from bench.measure import Command, Failed, run
from bench.proxy import Proxy
from bench.record import alternating
from bench.tools import TOOLS, Floor
from bench.tools.base import ROOT, Tool, home

PART = "rtt"
CONNECT = "connect"


class Connect(Floor):
    """prov's connection, without anything on it."""

    name = CONNECT


def measure(bench: Bench, milliseconds: Sequence[int]) -> None:
    """All tools and the floor, for each added time."""
    bench.settled(1)
    bench.record.begin(PART)
    for ms in milliseconds:
        with Proxy(bench.points, ms / 1000) as proxy:
            rows = [*bench.tools, Floor.name, CONNECT]
            alternating(rows, bench.rounds, lambda name, p=proxy, m=ms: once(bench, p, name, m, "same"))  # type: ignore[misc]
            alternating(bench.tools, bench.rounds, lambda name, p=proxy, m=ms: change(bench, p, name, m))  # type: ignore[misc]


def change(bench: Bench, proxy: Proxy, name: str, ms: int) -> None:
    """One run with another template."""
    bench.upload_mb += 1
    once(bench, proxy, name, ms, "change")


def once(bench: Bench, proxy: Proxy, name: str, ms: int, phase: str) -> None:
    """One run through the proxy, with what passed there."""
    proxy.counts()
    row = {"tool": name, "rtt": ms / 1000, "phase": phase}
    try:
        if name == CONNECT:
            seconds, cpu = connect(bench, proxy)
        else:
            tool: Tool = Floor() if name == Floor.name else TOOLS[name]
            done = bench.deploy(tool, proxy.points, unchanged=phase == "same", slow=1 + ms / 20)
            seconds, cpu = done.seconds, done.cpu
    except Failed as error:
        say(f"{row}: FAILED: {error}")
        bench.record.add(PART, **row, failed=str(error)[-2000:])
        return
    counts = proxy.counts()
    say(f"{ms} ms, {phase}, {name}: {seconds:.2f} s, {counts['flights']} flights")
    bench.record.add(PART, **row, seconds=seconds, cpu=cpu, **counts)


def connect(bench: Bench, proxy: Proxy) -> tuple[float, float]:
    """Seconds of prov's connecting alone, without the start of Python."""
    point, work = proxy.points[0], bench.folder()
    argv = [sys.executable, "-m", "bench.connect", point.address, str(point.port), point.user, str(point.key)]
    done = run(Command(argv, {**home([point], work), "PYTHONPATH": str(ROOT)}, ROOT), timeout=60)
    return float(done.output.split()[-1]), done.cpu
