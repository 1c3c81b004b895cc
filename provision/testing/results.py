"""Events of tests of roles, as small frozen classes; provision.testing.trial_report shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from provision.controller.events import StepDone
from provision.errors import ProvError
from provision.testing.trials import Trial
from provision.values import dataclass

#: in order
BOOT, PLAN, DEPLOY, AGAIN, VERIFY = "boot", "plan", "deploy", "deploy again", "verify"
REBOOT, AFTERWARDS, UNDO = "reboot", "verify again", "undo"
STAGES = (BOOT, PLAN, DEPLOY, AGAIN, VERIFY, REBOOT, AFTERWARDS, UNDO)
#: of a rehearsal
NEXT, BACK = "next release", "roll back"
REHEARSED = (BOOT, PLAN, DEPLOY, AGAIN, VERIFY, REBOOT, AFTERWARDS, NEXT, BACK)
#: if one of these fails, later stages mean nothing
FATAL = (BOOT, PLAN, DEPLOY, REBOOT)


@dataclass(frozen=True)
class TestResult:
    """One test. state: passed, failed or skipped.  why: in one line.  text: pytest's whole report on it."""

    host: str
    name: str
    state: str
    seconds: float
    why: str = ""
    text: str = ""


@dataclass(frozen=True)
class StageStarted:
    """A stage of a trial has begun."""

    trial: Trial
    stage: str


@dataclass(frozen=True)
class StageDone:
    """A stage has ended. state: passed, failed or skipped.  why: in one line, if known.

    steps: those that made it fail.  errors: what ended the hosts' runs early.  tests: all that were run.
    output: of a program that failed as a whole.
    """

    trial: Trial
    stage: str
    state: str
    seconds: float = 0.0
    why: str = ""
    steps: Sequence[StepDone] = ()
    errors: Sequence[tuple[str, ProvError]] = ()
    tests: Sequence[TestResult] = ()
    output: str = ""


@dataclass(frozen=True)
class TrialDone:
    """A trial has ended. passed: no stage failed.  hosts_left: names of hosts that still exist.

    error: why hosts could not be removed.
    """

    trial: Trial
    passed: bool
    seconds: float
    hosts_left: Sequence[str] = ()
    error: ProvError | None = None


Event = StageStarted | StageDone | TrialDone


@dataclass
class Finished:
    """All results so far, for reports of the whole."""

    stages: list[StageDone] = field(default_factory=list)
    trials: list[TrialDone] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Store an event."""
        if isinstance(event, StageDone):
            self.stages.append(event)
        elif isinstance(event, TrialDone):
            self.trials.append(event)

    def of(self, trial: Trial) -> list[StageDone]:
        """Return the stages of one trial."""
        return [stage for stage in self.stages if stage.trial is trial]
