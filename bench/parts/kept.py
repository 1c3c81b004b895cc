"""prov over a connection that is kept, and over a fresh one, beside a fresh `ssh host true`: nothing to change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.hosts import Endpoint
from bench.lab import FIRST_MB, Bench
from bench.measure import Command, Failed, Run, run
from bench.proxy import Proxy
from bench.record import alternating
from bench.tools import TOOLS, Floor
from bench.tools.base import values
from bench.tools.prov import deploy

PART = "kept"
FLOOR, KEPT, FRESH = "fresh `ssh host true`", "prov, connection kept", "prov, fresh connection"
#: with each: the deploy before it has opened the connection, and is not measured
ROWS = (FLOOR, KEPT, FRESH)
#: seconds of a run, and of each host
TIMEOUT, EACH = 60, 20


def measure(bench: Bench, hosts: Sequence[int], milliseconds: Sequence[int]) -> None:
    """All three on one host, with each added round-trip time, and on the most hosts."""
    bench.record.begin(PART)
    for count in sorted({1, max(hosts)}):
        points = bench.points if len(bench.points) == count else bench.fresh(count)
        settle = stack(points, bench, persist=0)
        run(settle, timeout=300 + 60 * count)
        for ms in sorted({0, max(milliseconds)}) if count == 1 else [0]:
            with Proxy(points, ms / 1000) as proxy:
                through = proxy.points if ms else points
                several(
                    bench, through, f"{count} host{'s' if count > 1 else ''}" + (f", {ms} ms" if ms else "")
                )


def several(bench: Bench, points: Sequence[Endpoint], where: str) -> None:
    """Some rounds of all three."""
    floor = Floor().prepare(points, 0, bench.folder())
    kept, fresh = stack(points, bench, persist=60), stack(points, bench, persist=0)
    actions: dict[str, Callable[[], Run]] = {
        FLOOR: lambda: run(floor, timeout=TIMEOUT + EACH * len(points)),
        KEPT: lambda: [unchanged(kept, points), unchanged(kept, points)][-1],
        FRESH: lambda: unchanged(fresh, points),
    }

    def once(name: str) -> None:
        bench.timed(PART, f"{where}: {name}", actions[name])

    # what is cached is cached before
    unchanged(fresh, points)
    alternating(list(ROWS), max(bench.rounds, 7 if bench.rounds > 2 else bench.rounds), once)


def stack(points: Sequence[Endpoint], bench: Bench, *, persist: int) -> Command:
    """prov with the stack. persist: seconds for which connections are kept."""
    variables = {"roles": ["shop"], "shop": values(FIRST_MB), "prov_persist": persist}
    return deploy(points, bench.folder(), variables)


def unchanged(command: Command, points: Sequence[Endpoint]) -> Run:
    """A run that changes nothing. Raises Failed."""
    done = run(command, timeout=TIMEOUT + EACH * len(points))
    if not TOOLS["prov"].unchanged(done.output, len(points)):
        raise Failed(f"it changed something:\n{done.output[-2000:]}")
    return done
