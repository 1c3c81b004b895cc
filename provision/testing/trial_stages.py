"""The stages of a trial: what each does with the hosts, and when it fails."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from pathlib import Path

from provision import lab
from provision.controller.events import HostDone, StepDone
from provision.controller.run_options import RunOptions
from provision.errors import Exit, ProvError
from provision.roles.project import Assignment
from provision.roles.role_host import Host
from provision.run.on_hosts import Run
from provision.run.work import Work, run_roles
from provision.steps import command, history, reboot, undo
from provision.testing import results
from provision.testing.deployed import Deployed
from provision.testing.pytests import verify
from provision.testing.results import StageDone, TestResult
from provision.testing.trials import Trial
from provision.values import dataclass

#: waits for a complete boot with all services (systemctl(1), is-system-running)
SETTLED = ["sh", "-c", "timeout 60 systemctl is-system-running --wait >/dev/null 2>&1 || true"]
#: the end of undo's message about a file that the lab itself rewrites as other hosts come and go
LABS_OWN = ": /etc/hosts"
#: tests with a line of their own
FEW = 3


@dataclass(frozen=True)
class TrialOptions:
    """The options of trials.

    driver: of the lab.  reboot: whether to.  only: pytest's -k.  keep: leave the hosts.
    authority: see trials.
    """

    authority: Path
    driver: str = "nspawn"
    reboot: bool = True
    only: str = ""
    keep: bool = False


@dataclass
class Stages:
    """A running trial. Each stage is a method that returns its result, without the seconds."""

    trial: Trial
    options: TrialOptions
    deployed: dict[str, Deployed] = field(default_factory=dict)
    #: whether hosts with these names are, or may be, this trial's
    booted: bool = False
    _foreseen: set[tuple[str, str]] = field(default_factory=set)
    _running: Run | subprocess.Popen[str] | None = None
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def work(self) -> dict[str, Callable[[], StageDone]]:
        """Return the stages by name, in order."""
        return {
            results.BOOT: self.boot,
            results.PLAN: self.plan,
            results.DEPLOY: self.deploy,
            results.AGAIN: self.deploy_again,
            results.VERIFY: lambda: self.verify(results.VERIFY),
            results.REBOOT: self.reboot,
            results.AFTERWARDS: lambda: self.verify(results.AFTERWARDS),
            results.UNDO: self.undo,
        }

    def stop(self) -> None:
        """End the running stage as soon as possible."""
        with self._lock:
            self._stopped = True
            running = self._running
        if isinstance(running, Run):
            running.stop()
        elif running is not None:
            running.terminate()

    # -- the stages

    def boot(self) -> StageDone:
        """Boot the hosts, with nothing but python3 installed."""
        try:
            self.booted = True
            lab.up(self.trial.hosts, driver=self.options.driver, image=self.trial.image, new=True)
        except ProvError as error:
            # another test, started at the same moment, has hosts with these names
            self.booted = not isinstance(error, lab.HostExists)
            return self._done(results.BOOT, "failed", errors=[("", error)])
        return self._done(results.BOOT)

    def plan(self) -> StageDone:
        """Plan, on hosts without any deploy."""
        steps, done = self._run(results.PLAN, plan=True)
        would = [step for step in steps if step.state in ("changed", "maybe")]
        self._foreseen = {(step.host, step.step) for step in would}
        return replace(done, why=done.why or f"{len(would)} of {len(steps)} steps would change")

    def deploy(self) -> StageDone:
        """Deploy for the first time."""
        steps, done = self._run(results.DEPLOY)
        for name in self.trial.hosts:
            self.deployed[name] = Deployed.of(step for step in steps if step.host == name)
        changed = [step for step in steps if step.state == "changed"]
        why = f"{len(changed)} of {len(steps)} steps changed"
        if unforeseen := [step.step for step in changed if (step.host, step.step) not in self._foreseen]:
            # not a failure: no plan can know a command's output that a role uses
            why += f"; not in the plan: {', '.join(unforeseen)}"
        return replace(done, why=done.why or why)

    def deploy_again(self) -> StageDone:
        """Deploy again: nothing may change."""
        steps, done = self._run(results.AGAIN)
        changed = [step for step in steps if step.state == "changed"]
        if not changed or done.state == "failed":
            return done
        names = ", ".join(dict.fromkeys(step.step for step in changed))
        return replace(done, state="failed", why=f"changed again: {names}", steps=changed)

    def verify(self, stage: str) -> StageDone:
        """Run the tests of each host."""
        with_tests = [name for name in self.trial.hosts if self.trial.tests[name]]
        if not with_tests:
            return self._done(stage, "skipped", f"{self.trial.subject} has no tests")
        tests: list[TestResult] = []
        for name in with_tests:
            found = verify(
                self.trial,
                name,
                self.options.authority,
                self.deployed[name].as_json(),
                self.options.only,
                self._started,
            )
            if found.output:
                return self._done(stage, "failed", "pytest could not run the tests", output=found.output)
            tests += found.tests
        failed = [test.name for test in tests if test.state == "failed"]
        if failed:
            more = f" and {len(failed) - FEW} more" if len(failed) > FEW else ""
            when = " after the reboot" if stage == results.AFTERWARDS else ""
            return self._done(stage, "failed", f"failed{when}: {', '.join(failed[:FEW])}{more}", tests=tests)
        passed = sum(test.state == "passed" for test in tests)
        if not passed:
            return self._done(stage, "skipped", "no test was run", tests=tests)
        return self._done(stage, why=f"{passed} passed", tests=tests)

    def reboot(self) -> StageDone:
        """Reboot, and wait until everything that starts at boot is up."""
        _, done = self._run(results.REBOOT, work=boots_again)
        return done

    def undo(self) -> StageDone:
        """Undo the first deploy."""
        if not any(deployed.changed for deployed in self.deployed.values()):
            return self._done(results.UNDO, "skipped", "the deploy has changed nothing")
        steps, done = self._run(results.UNDO, work=undoes)
        if any(step.error is not None and step.error.message.endswith(LABS_OWN) for step in done.steps):
            why = "the lab has changed /etc/hosts since, and undo does not overwrite later changes"
            return self._done(results.UNDO, "skipped", why)
        reasons = [step.why for step in steps if step.step.startswith("undo") and step.why]
        return replace(done, why=done.why or "; ".join(reasons))

    # -- internal

    def _run(
        self,
        stage: str,
        *,
        plan: bool = False,
        work: Work = run_roles,
        assignments: Sequence[Assignment] = (),
    ) -> tuple[list[StepDone], StageDone]:
        """Run the roles on all hosts; return the steps, and the stage as failed if one of them failed.

        assignments: those to run; by default the trial's.
        """
        assignments = assignments or self.trial.assignments
        run = Run(assignments, RunOptions(plan=plan, forks=len(assignments)), work)
        self._started(run)
        steps: list[StepDone] = []
        errors: list[tuple[str, ProvError]] = []
        for event in run:
            if isinstance(event, StepDone):
                steps.append(event)
            elif isinstance(event, HostDone) and event.error is not None:
                errors.append((event.host, event.error))
        if run.exit_status() in (Exit.DONE, Exit.CHANGES):
            return steps, self._done(stage)
        failed = [step for step in steps if step.state == "failed" and not step.ignored]
        why = failed[0].step if failed else errors[0][1].message.split("\n")[0]
        return steps, self._done(stage, "failed", f"failed: {why}", steps=failed, errors=errors)

    def _started(self, running: Run | subprocess.Popen[str]) -> None:
        with self._lock:
            self._running = running
        if self._stopped:
            self.stop()

    def _done(
        self,
        stage: str,
        state: str = "passed",
        why: str = "",
        *,
        steps: Sequence[StepDone] = (),
        errors: Sequence[tuple[str, ProvError]] = (),
        tests: Sequence[TestResult] = (),
        output: str = "",
    ) -> StageDone:
        return StageDone(self.trial, stage, state, 0.0, why, steps, errors, tests, output)


def boots_again(host: Host) -> None:
    """Reboot a host, as the work of a run."""
    reboot.reboot(host, "asked for by prov test")
    command.command(host, SETTLED, reason="services come up after the login does").wait()


def undoes(host: Host) -> None:
    """Undo the oldest run that changed something, which is the first deploy, as the work of a run."""
    runs = json.loads(history.history(host).stdout)["runs"]
    if runs:
        undo.undo(host, runs[0]["id"]).wait()


def timed(work: Callable[[], StageDone]) -> StageDone:
    """Do the work of a stage, and add its seconds."""
    began = time.monotonic()
    return replace(work(), seconds=time.monotonic() - began)
