"""Whether a plan says what the deploy then does."""

from __future__ import annotations

import json
import queue
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.cli import PROV, Run, prov, start
from helpers.hosts import on, settle
from helpers.mutations import BARE, DEPLOYED, Case


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
    """Hosts on which cases are tried, several at a time. They are bare; what they are before a case is made once for
    each, and saved."""

    def __init__(self, folder: Path, hosts: Sequence[str]) -> None:
        self.folder = folder
        self.hosts: queue.Queue[str] = queue.Queue()
        #: by host: the starting points that it has been at, and the one at which it is
        self._saved: dict[str, set[str]] = {}
        self._at: dict[str, str] = {}
        for host in hosts:
            _lab("snapshot", host, BARE)
            self._saved[host], self._at[host] = {BARE}, BARE
            self.hosts.put(host)

    def all(self, cases: Iterable[Case]) -> list[Verdict]:
        """A verdict on each case. Some hundred take long: past pytest's capture it is shown how far they are."""
        cases = list(cases)
        verdicts = []
        with ThreadPoolExecutor(len(self._saved)) as pool:
            for number, verdict in enumerate(pool.map(self.one, cases), 1):
                state = "exact" if verdict.exact else f"NOT EXACT, {verdict.differences[0][:300]}"
                print(f"{number}/{len(cases)} {verdict.case}: {state}", file=sys.__stdout__, flush=True)
                verdicts.append(verdict)
        return verdicts

    def one(self, case: Case) -> Verdict:
        """Let it happen to a host, and see."""
        host = self.hosts.get()
        try:
            self.begin(host, case.start)
            for mutation in case.mutations:
                on(host, "sh", "-c", mutation.script, check=False)
            settle(host)
            verdict = judge(self.folder, host, str(case))
            if verdict.exact and not verdict.failed:
                self._at[host] = DEPLOYED
            return verdict
        except (AssertionError, subprocess.TimeoutExpired, KeyError) as error:
            return Verdict(str(case), [f"it ended with {type(error).__name__}: {error}"])
        finally:
            self.hosts.put(host)

    def begin(self, host: str, point: str) -> None:
        """Bring a host to a starting point. Of what happens to it from there nothing is sure."""
        if point in self._saved[host]:
            if self._at[host] != point:
                _lab("restore", host, label(point))
        else:
            if self._at[host] != BARE:
                _lab("restore", host, BARE)
            if point == DEPLOYED:
                prov("deploy", host, cwd=self.folder, timeout=600, status=0)
            else:
                deploy_until(self.folder, host, point.removeprefix("begun "))
            _lab("snapshot", host, label(point))
            self._saved[host].add(point)
        self._at[host] = ""


def deploy_until(folder: Path, host: str, role: str) -> None:
    """A deploy that is killed when a role has made its first change; what it had begun on the host comes to its end."""
    deploy = start("deploy", host, cwd=folder)
    assert deploy.stdout is not None
    for line in deploy.stdout:
        event = json.loads(line)
        if event["event"] == "step" and event["state"] == "changed" and event["role"] == role:
            break
    deploy.kill()
    deploy.communicate()
    on(host, "flock", "/var/lib/prov/lock", "true", timeout=300)
    settle(host)


def label(start: str) -> str:
    """What the snapshot of a starting point is called."""
    return start.replace(" ", "-")


def _lab(*argv: str) -> None:
    done = subprocess.run([PROV, "lab", *argv], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, (shlex.join(argv), done.stderr)
