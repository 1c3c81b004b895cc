"""A host whose front changes while all kinds of clients connect to it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from helpers import connections
from helpers.cli import Run, prov
from helpers.connections import Connections
from helpers.hosts import Hosts, on
from helpers.projects import HELLO, Project
from helpers.web import Site, Visitors

UNITS = {"nginx": "nginx", "apache": "apache2"}
#: on the host: the program that connects
ASKED = "/opt/asked"
#: what becomes of a connection if the front serves: http leads to https
WELL = {"HTTP/1.1 308 Permanent Redirect", "https"}


class Changing:
    """A host with one application, whose front changes."""

    def __init__(self, hosts: Hosts, folder: Path, name: str) -> None:
        self.name = name
        self.address = hosts.one(name).address
        self.project = Project(folder).examples()
        # both are installed, so that the change is all that a deploy does
        for front in UNITS:
            self.declare(front)
            self.deploy(status=0)
        self.site = Site(self.address, "hello.test", self.project.ca)
        loop = Path(connections.__file__).read_text()
        on(self.name, "sh", "-c", f'mkdir -p {ASKED}; printf %s "$1" >{ASKED}/connections.py', "sh", loop)

    def declare(self, front: str) -> None:
        apps = {"hello": {**HELLO, "front": front}}
        self.project.inventory(
            {self.name: {"apps": apps}}, ansible_connection="lab", roles=["base", "python", "app"]
        )

    def deploy(self, *options: str, status: int | None = None) -> Run:
        return prov("deploy", self.name, *options, cwd=self.project.folder, timeout=300, status=status)

    def turn(self) -> tuple[str, str]:
        """Declare the front that does not serve now. Returns the units of both: the old one, the new one."""
        serving = next(front for front, unit in UNITS.items() if self.active(unit))
        other = next(front for front in UNITS if front != serving)
        self.declare(other)
        return UNITS[serving], UNITS[other]

    @contextmanager
    def asked(self) -> Iterator[Counter[str]]:
        """Have connections made from here, from the host itself, ahead of their requests, and by https.

        Yields what becomes of them, complete when the block has ended: the status that came, or the error.
        """
        total: Counter[str] = Counter()
        over = f"{ASKED}/over"
        on(self.name, "rm", "-f", over)
        with ThreadPoolExecutor() as pool, ExitStack() as stack:
            stack.callback(on, self.name, "touch", over)
            argv = ("timeout", "240", "python3", f"{ASKED}/connections.py")
            own = [
                pool.submit(on, self.name, *argv, address, "hello.test", over, timeout=300)
                for address in ("::1", "127.0.0.1")
            ]
            loops = [
                stack.enter_context(Connections(self.address, "hello.test")),
                stack.enter_context(Connections(self.address, "hello.test", 8, pause=0.2)),
            ]
            visitors = stack.enter_context(Visitors(self.site, "/healthz", 3))
            time.sleep(1)
            yield total
            time.sleep(0.5)
        counts = [*(loop.said for loop in loops), *(Counter(json.loads(each.result())) for each in own)]
        counts.append(Counter("https" if said == 200 else str(said) for said in visitors.answers))
        # each of them asked all the time
        assert all(sum(each.values()) > 50 for each in counts), counts
        for each in counts:
            total.update(each)

    def active(self, unit: str) -> bool:
        return on(self.name, "systemctl", "is-active", unit, check=False).strip() == "active"
