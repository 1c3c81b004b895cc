"""Starts and asks the delaying proxy (bench/delay.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from bench.hosts import Endpoint, via

#: the port of each host's proxies. Hosts of real life have one address: tools that remember hosts by it would
#: otherwise meet a stranger in each part of the benchmark
PORTS: dict[str, int] = {}


class Proxy:
    """Proxies for hosts, in a process of their own while entered. points: the hosts through them."""

    def __init__(self, points: Sequence[Endpoint], rtt: float) -> None:
        self._points = points
        self._rtt = rtt

    def __enter__(self) -> Proxy:
        hosts = [f"{p.address}:{p.port}" for p in self._points]
        targets = [f"{host}:{PORTS.get(host, 0)}" for host in hosts]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.delay", str(self._rtt), *targets],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ports = self._answer()
        PORTS.update(zip(hosts, ports))
        self.points = via(self._points, ports)
        return self

    def counts(self) -> dict[str, int]:
        """What has passed since the last call: connections, sent, received (bytes), flights."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(self._answer())

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())
