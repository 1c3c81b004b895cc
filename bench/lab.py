"""One benchmark at work: the hosts it has, the tools it compares, and single measured runs of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench import hosts
from bench.hosts import Endpoint
from bench.log import say
from bench.measure import Failed, Run, run
from bench.record import ResultRows
from bench.tools import TOOLS, Tool

#: `upload_mb` of a first deploy; each change of the template counts up from it
FIRST_MB = 8


@dataclass
class Bench:
    """tools: names of those compared.  rounds: measurements of each figure.  points: the hosts there are now."""

    record: ResultRows
    tools: list[str]
    rounds: int
    points: list[Endpoint] = field(default_factory=list)
    upload_mb: int = FIRST_MB

    def __enter__(self) -> Bench:
        self.work = Path(tempfile.mkdtemp(prefix="prov-bench-"))
        self._runs = 0
        self._most = 0
        self._settled = False
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        if self._most:
            say("removing the hosts")
            hosts.remove(hosts.names(self._most))

    def fresh(self, count: int) -> list[Endpoint]:
        """As many new hosts, without the stack; those there were are removed."""
        self._most = max(self._most, count)
        self.points = []
        self._settled = False
        self.upload_mb = FIRST_MB
        self.points = hosts.fresh(count)
        return self.points

    def folder(self) -> Path:
        """A new folder for one run."""
        self._runs += 1
        folder = self.work / str(self._runs)
        folder.mkdir()
        return folder

    def deploy(
        self,
        tool: Tool,
        points: Sequence[Endpoint],
        *,
        unchanged: bool = False,
        sample: bool = False,
        slow: float = 1,
    ) -> Run:
        """The stack by one tool. unchanged: Failed if it says that it changed something. slow: factor of the
        time allowed. Raises Failed."""
        # kept between its runs, as people keep their home and their project
        work = self.work / tool.name.replace(" ", "-")
        work.mkdir(exist_ok=True)
        try:
            command = tool.prepare(points, self.upload_mb, work)
            done = run(command, timeout=(240 + 40 * len(points)) * slow, sample=sample)
        finally:
            with suppress(OSError):
                tool.finish(points, work)
        if unchanged and not tool.unchanged(done.output, len(points)):
            raise Failed(f"{tool.name} changed something where nothing was to change:\n{done.output[-4000:]}")
        return done

    def settled(self, count: int) -> list[Endpoint]:
        """Hosts on which every tool finds nothing to change; made, if we do not have them yet."""
        if len(self.points) != count:
            self.fresh(count)
        if not self._settled:
            for name in self.tools:
                say(f"settling {count} host(s): {name}")
                self.deploy(TOOLS[name], self.points)
            self._settled = True
        return self.points

    def timed(self, part: str, name: str, action: Callable[[], Run]) -> None:
        """Do something and record how long it took, under part; failures too."""
        try:
            done = action()
        except Failed as error:
            say(f"{name}: FAILED: {error}")
            self.record.add(part, case=name, failed=str(error)[-2000:])
            return
        say(f"{name}: {done.seconds:.3f} s, {done.cpu:.2f} s CPU")
        self.record.add(part, case=name, seconds=done.seconds, cpu=done.cpu)

    def measured(
        self, part: str, name: str, points: Sequence[Endpoint], *, unchanged: bool = False, **row: object
    ) -> None:
        """Deploy with a tool (or the floor's) and record it under part with the row's values; failures too."""
        tool = TOOLS[name]
        try:
            done = self.deploy(tool, points, unchanged=unchanged)
        except Failed as error:
            say(f"{name}: FAILED: {error}")
            self.record.add(part, tool=name, **row, failed=str(error)[-2000:])
            return
        say(f"{part} {row} {name}: {done.seconds:.2f} s, {done.cpu:.2f} s CPU")
        self.record.add(part, tool=name, **row, seconds=done.seconds, cpu=done.cpu, rss=done.rss)
