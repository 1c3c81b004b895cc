"""Whether a plan says what the deploy then does."""

from __future__ import annotations

import queue
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.cli import PROV, Run, prov
from helpers.hosts import on, settle
from helpers.mutations import Case

SAVED = "deployed"


@dataclass(frozen=True)
class Verdict:
    """What came of one case. differences: between plan and deploy, and what a second deploy still did; none if exact.

    changed: how many steps the deploy changed.  failed: the step at which both ended, if they did.
    """

    case: str
    differences: Sequence[str] = field(default_factory=list)
    changed: int = 0
    failed: str = ""

    @property
    def exact(self) -> bool:
        return not self.differences


def judge(folder: Path, host: str, case: str) -> Verdict:
    """Plan, deploy, deploy again."""
    planned = prov("plan", host, cwd=folder, timeout=300)
    real = prov("deploy", host, cwd=folder, timeout=600)
    found = differences(planned, real, host)
    changed = real.tally(host)["changed"]
    assert real.tally(host)["unreachable"] == 0 == planned.tally(host)["unreachable"], (planned, real)
    failed = [s["step"] for s in real.steps(host) if s["state"] == "failed"]
    if not failed:
        again = prov("deploy", host, cwd=folder, timeout=300)
        found += [f"the second deploy: {each}" for each in again.not_in(host, "ok")]
    return Verdict(case, found, changed, failed[0] if failed else "")


def differences(planned: Run, real: Run, host: str) -> list[str]:
    """What a plan and the deploy after it say differently of a host: steps, their states, diffs and errors."""
    found = [f"{run.argv[1]} ended with {run.status}" for run in (planned, real) if not run.steps(host)]
    before, after = ([seen(step) for step in run.steps(host)] for run in (planned, real))
    if [step["step"] for step in before] != [step["step"] for step in after]:
        found.append("other steps")
    for said, done in zip(before, after):
        if said != done:
            found.append(f"planned {only(said, done)}, then {only(done, said)}; {errors(real)}")
        if "failed" in (said["state"], done["state"]):
            break
    return found


def errors(run: Run) -> str:
    """What a run's errors say beyond their first line."""
    return "; ".join(str(error.get("stderr", ""))[-300:] for error in run.errors)


def only(one: dict[str, Any], other: dict[str, Any]) -> str:
    """A step in what it differs."""
    words = [f"{what} {value!r}" for what, value in one.items() if value != other[what]]
    return f"{one['step']}: {'; '.join(words)}"


def seen(step: dict[str, Any]) -> dict[str, Any]:
    """Of a step's event, what has to be the same."""
    error = step.get("error") or {}
    return {
        "step": f"{step['role']}: {step['step']}",
        "state": step["state"],
        "error": error.get("message", ""),
        "diff": step["diff"],
    }


class Proving:
    """Hosts on which cases are tried, several at a time. Each is deployed, and saved to be restored after a failure."""

    def __init__(self, folder: Path, hosts: Sequence[str]) -> None:
        self.folder = folder
        self.hosts: queue.Queue[str] = queue.Queue()
        for host in hosts:
            _lab("snapshot", host, SAVED)
            self.hosts.put(host)
        self._count = len(hosts)

    def all(self, cases: Iterable[Case]) -> list[Verdict]:
        """A verdict on each case."""
        with ThreadPoolExecutor(self._count) as pool:
            return list(pool.map(self.one, cases))

    def one(self, case: Case) -> Verdict:
        """Let it happen to a host that is as deployed, and see."""
        host = self.hosts.get()
        name = " + ".join(map(str, case))
        whole = False
        try:
            for mutation in case:
                on(host, "sh", "-c", mutation.script, check=False)
            settle(host)
            verdict = judge(self.folder, host, name)
            whole = verdict.exact and not verdict.failed
            return verdict
        except (AssertionError, subprocess.TimeoutExpired, KeyError) as error:
            return Verdict(name, [f"it ended with {type(error).__name__}: {error}"])
        finally:
            if not whole:
                _lab("restore", host, SAVED)
            self.hosts.put(host)


def _lab(*argv: str) -> None:
    done = subprocess.run([PROV, "lab", *argv], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, (shlex.join(argv), done.stderr)
