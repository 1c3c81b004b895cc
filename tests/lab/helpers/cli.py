"""Running prov as people and scripts do: a process of its own, with --json, and never without a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

PROV = str(Path(sys.executable).with_name("prov"))


@dataclass(frozen=True)
class Run:
    """A run that has ended."""

    argv: Sequence[str]
    status: int
    stdout: str
    stderr: str

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """All of stdout: one object a line, and the summary at the end, whatever happened."""
        events = [json.loads(line) for line in self.stdout.splitlines()]
        assert events, self
        assert events[-1]["event"] == "summary", self
        assert all(event["event"] != "summary" for event in events[:-1]), self
        return events

    def steps(self, host: str) -> list[dict[str, Any]]:
        """The steps of a host, in their order."""
        return [e for e in self.events if e["event"] == "step" and e["host"] == host]

    def states(self, *hosts: str) -> list[tuple[str, str, str]]:
        """What became of each step of hosts: host, step, state. A plan and its deploy have this in common."""
        return [each[:3] for each in self.changes(*hosts)]

    def changes(self, *hosts: str) -> list[tuple[str, str, str, Any]]:
        """The same, with what each step changes."""
        return [(host, s["step"], s["state"], s["diff"]) for host in hosts for s in self.steps(host)]

    def tally(self, host: str) -> dict[str, int]:
        """The summary's numbers for a host."""
        found: dict[str, int] = self.events[-1]["hosts"][host]
        return found

    def not_in(self, host: str, *states: str) -> list[tuple[str, str, Any]]:
        """Steps of a host in other states than these, with what went wrong or changed."""
        return [
            (s["step"], s["state"], s.get("error") or s["diff"])
            for s in self.steps(host)
            if s["state"] not in states
        ]

    @cached_property
    def errors(self) -> list[dict[str, Any]]:
        """Everything that went wrong: of steps, of hosts, and before the first connection."""
        own = [e for e in self.events if e["event"] == "error"]
        return own + [e["error"] for e in self.events if e.get("error")]

    def error(self) -> dict[str, Any]:
        """The one thing that went wrong."""
        assert len(self.errors) == 1, self
        return self.errors[0]


def prov(
    *argv: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
    status: int | None = None,
) -> Run:
    """Run prov to its end. status: what it has to exit with. env: added to this process's own."""
    process = start(*argv, cwd=cwd, env=env)
    return finish(process, timeout=timeout, status=status)


def start(*argv: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start prov with --json before its arguments. Pass what is returned to `finish`.

    argv: the command, which may have two words, then its arguments.
    """
    command, *rest = argv
    return subprocess.Popen(
        [PROV, *command.split(), "--json", *rest],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], *, timeout: float = 120, status: int | None = None) -> Run:
    """Wait until a run has ended."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"it did not end within {timeout} s:\n{stdout}\n{stderr}") from None
    assert isinstance(process.args, list)
    run = Run([str(a) for a in process.args], process.returncode, stdout, stderr)
    assert status is None or run.status == status, run
    return run
