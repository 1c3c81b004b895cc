"""Show results of tests of roles as lines for logs and pipes, and describe failures for all reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from provision.report.diffs import diff_lines
from provision.report.failure import host_failure, step_failure
from provision.report.formats import Format
from provision.report.jsonl import error
from provision.report.reporting import counted
from provision.report.shown_lines import ShownLine, flat, lines
from provision.testing.results import Event, Finished, StageDone, StageStarted, TestResult, TrialDone

#: lines shown of one diff
DIFF = 12


class TrialReport(Protocol):
    """Takes the events of trials, then the final result."""

    def take(self, event: Event) -> None:
        """Show an event."""

    def finish(self, finished: Finished, seconds: float) -> None:
        """Show the final result; nothing follows."""

    def close(self) -> None:
        """Restore the terminal; may be called twice."""
        return


class TrialItems(TrialReport):
    """Each stage and trial that has ended, in any format, with its failures.

    JSON also has an object for each test.
    """

    def __init__(self, out: Format) -> None:
        self._out = out

    def take(self, event: Event) -> None:
        self._out.show(objects(event), (line.text for line in shown_lines(event)))

    def finish(self, finished: Finished, seconds: float) -> None:
        self._out.show((), [outcome(finished, seconds)])
        hosts: dict[str, dict[str, int]] = {}
        for stage in finished.stages:
            for host in stage.trial.hosts:
                count = hosts.setdefault(host, {"passed": 0, "failed": 0, "skipped": 0})
                count[stage.state] += 1
        self._out.end(hosts, seconds)


# -- as lines for people


def shown_lines(event: Event) -> Iterator[ShownLine]:
    """Return the lines about an event."""
    match event:
        case StageDone():
            why = f": {flat(event.why)}" if event.why else ""
            took = f" ({event.seconds:.1f} s)" if event.state != "skipped" else ""
            kind = "message" if event.state == "failed" else "dim" if event.state == "skipped" else ""
            yield ShownLine(kind, f"{event.trial.name}: {event.stage}: {event.state}{took}{why}")
            if event.state == "failed":
                yield from (line.indented("    ") for line in failure(event))
        case TrialDone():
            if event.error is not None:
                yield from host_failure("", event.error)
            if event.hosts_left:
                yield ShownLine(
                    "hint", f"{event.trial.name}: its hosts are kept. To get in, and to remove them:"
                )
                yield from (ShownLine("hint", f"    prov lab ssh {name}") for name in event.hosts_left)
                yield ShownLine("hint", f"    prov lab down {' '.join(event.hosts_left)}")


def failure(stage: StageDone) -> Iterator[ShownLine]:
    """Return everything that is known about a failed stage."""
    for step in stage.steps:
        yield ShownLine("message", f"{step.host}: {step.role}: {flat(step.step)}: {step.state}")
        below = [*diff_lines(step.step, step.diff, DIFF)]
        if step.state == "failed":
            below += step_failure(step)
        elif step.where:
            below += [ShownLine("place", step.where)]
        yield from (line.indented("    ") for line in below)
    for host, problem in stage.errors:
        yield from host_failure(host, problem)
    for test in stage.tests:
        if test.state == "failed":
            yield ShownLine("message", f"{test.host}: {test.name}: {flat(test.why)}")
            yield from (line.indented("    ") for line in lines("", test.text))
    if stage.output:
        yield from lines("", stage.output)


def outcome(finished: Finished, seconds: float) -> str:
    """Return the final sentence: "3 trials passed, 1 failed (nginx debian-13: verify again), 48.2 s"."""
    failed = []
    for trial in finished.trials:
        if not trial.passed:
            stages = [s.stage for s in finished.of(trial.trial) if s.state == "failed"]
            failed.append(f"{trial.trial.name}: {', '.join(stages) or 'not ended'}")
    passed = len(finished.trials) - len(failed)
    parts = [f"{counted(passed, 'trial')} passed"] if passed or not failed else []
    if failed:
        parts.append(f"{counted(len(failed), 'trial')} failed ({'; '.join(failed)})")
    return f"{', '.join(parts)}, {seconds:.1f} s"


# -- as objects


def objects(event: Event) -> Iterator[dict[str, Any]]:
    """Return an event as JSON objects."""
    if isinstance(event, StageDone):
        yield from (test_line(event, test) for test in event.tests)
        yield stage_line(event)
    elif isinstance(event, TrialDone):
        line = {**of_trial(event), "event": "trial", "state": "passed" if event.passed else "failed"}
        line["kept"] = list(event.hosts_left)
        yield line | ({"error": error(event.error)} if event.error else {})


def of_trial(event: Event) -> dict[str, Any]:
    """Return the fields of every object."""
    trial = event.trial
    found: dict[str, Any] = {"event": "", "subject": trial.subject, "image": trial.image}
    found["hosts"] = trial.hosts
    if not isinstance(event, StageStarted):
        found["seconds"] = round(event.seconds, 3)
    return found


def stage_line(done: StageDone) -> dict[str, Any]:
    """Return the object for the end of a stage; steps are those that made it fail."""
    steps = [
        {"host": s.host, "role": s.role, "step": s.step, "state": s.state, "where": s.where}
        | ({"error": error(s.error)} if s.error else {})
        for s in done.steps
    ]
    return {
        **of_trial(done),
        "event": "stage",
        "stage": done.stage,
        "state": done.state,
        "why": done.why,
        "steps": steps,
        "errors": [{"host": host, **error(problem)} for host, problem in done.errors],
        "output": done.output,
    }


def test_line(done: StageDone, test: TestResult) -> dict[str, Any]:
    """Return the object for one test."""
    return {
        **of_trial(done),
        "event": "test",
        "stage": done.stage,
        "host": test.host,
        "test": test.name,
        "state": test.state,
        "seconds": test.seconds,
        "why": test.why,
        "text": test.text,
    }
