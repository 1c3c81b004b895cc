"""Requests at a steady rate while runs are killed: every answer counts, of the new application as of the old one."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from helpers.cli import PROV, Run, prov
from helpers.cutting import running_agent
from helpers.hosts import Hosts
from helpers.projects import HELLO, STACK, Project

RATE = 100.0
#: no loop lasts longer
LONGEST = 240.0


class Traffic:
    """Ask an application for a page while entered, so often a second, each time on a connection of its own."""

    def __init__(self, address: str, domain: str, rate: float = RATE) -> None:
        self._address, self._domain, self._rate = address, domain, rate
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._keep_asking)
        self.answers: list[Any] = []

    @property
    def lost(self) -> dict[Any, int]:
        """How often something else came than a page."""
        return dict(Counter(answer for answer in self.answers if not str(answer).startswith("2")))

    def _keep_asking(self) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(64) as pool:
            number = 0
            while time.monotonic() - began < LONGEST:
                pool.submit(self._ask)
                number += 1
                if self._over.wait(max(0.0, began + number / self._rate - time.monotonic())):
                    return

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        try:
            connection.request("GET", "/", headers={"Host": self._domain})
            answer = connection.getresponse()
            answer.read()
            self.answers.append(answer.status)
        except (OSError, http.client.HTTPException) as error:
            self.answers.append(type(error).__name__)
        finally:
            connection.close()

    def __enter__(self) -> Traffic:
        self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._over.set()
        self._clock.join(LONGEST)


class Busy:
    """A host with one application that is asked all the time, and others that come and go."""

    def __init__(self, hosts: Hosts, folder: Path, name: str) -> None:
        self.name = name
        self.address = hosts.one(name).address
        self.project = Project(folder).examples()
        self.number = 0
        self.declare("hello")
        self.deploy(status=0)

    def declare(self, *apps: str, below: Mapping[str, str] = {}, after: Sequence[str] = ()) -> None:
        """These applications, each on a domain of its own name. below: others, at /NAME/ of the domain of one.

        after: roles that run after the front.
        """
        app = {**HELLO, "tls": "none"}
        found = {name: {**app, "domains": [f"{name}.test"]} for name in apps}
        found |= {name: {**app, "domains": [f"{of}.test"], "path": f"/{name}/"} for name, of in below.items()}
        self.project.inventory({self.name: {"apps": found}}, ansible_connection="lab", roles=[*STACK, *after])

    def edit(self) -> None:
        """Another release."""
        self.number += 1
        (self.project.folder / "flask_hello/note.txt").write_text(str(self.number))

    def deploy(self, *options: str, status: int | None = 0) -> Run:
        return prov("deploy", self.name, *options, cwd=self.project.folder, timeout=300, status=status)

    def plan(self) -> Run:
        return prov("plan", self.name, cwd=self.project.folder, timeout=100)

    def traffic(self, app: str = "hello") -> Traffic:
        return Traffic(self.address, f"{app}.test")

    def kill(self, after: float, *argv: str) -> bool:
        """Run prov, and kill the agent that many seconds after it has begun; whether it was still there."""
        process = subprocess.Popen(
            [PROV, *argv], cwd=self.project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            agent = 0
            end = time.monotonic() + 60
            while not agent and process.poll() is None and time.monotonic() < end:
                agent = running_agent(self.name)
                time.sleep(0.02)
            time.sleep(after)
            with contextlib.suppress(ProcessLookupError):
                if agent:
                    os.kill(agent, signal.SIGKILL)
                    return True
            return False
        finally:
            process.wait(120)

    def killed_under_traffic(self, after: float, *argv: str) -> dict[Any, int]:
        """What was lost while a run was killed, and a deploy followed: the socket is not restarted by it."""
        with self.traffic() as traffic:
            self.kill(after, *argv)
            next_run = self.deploy()
            time.sleep(1)
        restarted = [
            (step["step"], change)
            for step in next_run.steps(self.name)
            for change in step["diff"]
            if ".socket" in step["step"] and "restart" in str(change)
        ]
        assert restarted == []
        assert len(traffic.answers) > RATE
        planned = self.plan()
        assert planned.status == 0, planned.stdout + planned.stderr
        return traffic.lost
