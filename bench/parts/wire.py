"""What each tool puts on the wire, and the memory it takes, for one host with nothing to change."""

from __future__ import annotations

from bench.lab import Bench
from bench.log import say
from bench.measure import Failed
from bench.proxy import Proxy
from bench.tools import TOOLS, Floor

PART = "wire"
#: with the line this long, what is said at once is not torn apart by answers to its beginning (seconds)
RTT = 0.05


def measure(bench: Bench) -> None:
    """Two runs of each: bytes and memory on a short line, flights on a longer one."""
    bench.settled(1)
    bench.record.begin(PART)
    tools = [*(TOOLS[name] for name in bench.tools), Floor()]
    for tool in tools:
        row: dict[str, object] = {"tool": tool.name, "phase": "same"}
        try:
            with Proxy(bench.points, 0) as proxy:
                done = bench.deploy(tool, proxy.points, sample=True)
                row |= {**proxy.counts(), "memory": done.memory, "threads": done.threads}
                row["flights_at_0"] = row["flights"]
            with Proxy(bench.points, RTT) as proxy:
                bench.deploy(tool, proxy.points, slow=4)
                row["flights"] = proxy.counts()["flights"]
        except Failed as error:
            row["failed"] = str(error)[-2000:]
        say(str(row))
        bench.record.add(PART, **row)
