"""JSON lines, for scripts: one object a line, each with "event"; the last one is the summary
(docs/commands.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TextIO

from provision.controller.events import (
    Answered,
    Attention,
    Connected,
    Event,
    FactsKnown,
    HostDone,
    MigrationsPending,
    Notice,
    Output,
    PastRun,
    ReleaseBuilt,
    Served,
    StepDone,
    Stopping,
    Summary,
    Switch,
    UndeclaredFound,
)
from provision.errors import ProvError, StepError
from provision.report.reporting import Ends, Report
from provision.report.screen import write_json
from provision.steps.base import Change


class JsonLines(Report):
    """Every event that a script can act on, with all steps and whole diffs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._ends = Ends()

    def take(self, event: Event) -> None:
        self._ends.take(event)
        line = as_line(event, self._ends)
        if line is not None:
            write_json(self._out, line)

    def finish(self, summary: Summary) -> None:
        hosts = {host: asdict(tally) for host, tally in summary.hosts.items()}
        write_json(self._out, summary_line(hosts, summary.seconds))


def summary_line(hosts: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return the last line of every command. hosts: step counts of each host, by state."""
    return {"event": "summary", "hosts": hosts, "seconds": round(seconds, 3)}


def as_line(event: Event, ends: Ends) -> dict[str, Any] | None:
    """Return an event as an object; None for progress that only a watching user needs."""
    match event:
        case StepDone():
            return step(event)
        case Answered():
            return {"event": event.kind, "host": event.host, **event.values}
        case Connected():
            return {
                "event": "host",
                "host": event.host,
                "state": "connected",
                "seconds": round(event.seconds, 3),
            }
        case HostDone():
            return host_done(event, ends.state(event))
        case Notice():
            return {"event": "note", "host": event.host, "text": event.text}
        case Attention():
            return {"event": "note", "host": event.host, "text": event.text, "attention": True}
        case Stopping():
            return {"event": "stopping"}
        case FactsKnown():
            return {"event": "facts", "host": event.host, **asdict(event.facts)}
        case Served():
            return {"event": "served", **asdict(event)}
        case Switch():
            return {"event": "switch", **asdict(event)}
        case MigrationsPending():
            return {"event": "migrations", **asdict(event)}
        case ReleaseBuilt():
            return {"event": "built", **asdict(event)}
        case UndeclaredFound():
            return {"event": "undeclared", **asdict(event)}
        case PastRun():
            steps = {} if event.steps is None else {"steps": [past_step(step) for step in event.steps]}
            return {"event": "run", "host": event.host, **event.run, **steps}
        case Output():
            streams = {"stdout": event.stdout, "stderr": event.stderr}
            return {"event": "output", "host": event.host, "status": event.status, **streams}
    return None


def past_step(past: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step of an earlier run, with diffs in the same shape as those of this run."""
    return {**past, "diff": [Change(*change)._asdict() for change in past.get("diff", ())]}


def step(event: StepDone) -> dict[str, Any]:
    """Return a step; "error" only if it failed, "ignored" only if the role continues after the failure, "app" and
    "part" only if it is for an application."""
    line: dict[str, Any] = {
        "event": "step",
        "host": event.host,
        "role": event.role,
        "step": event.step,
        "state": event.state,
        "diff": [change._asdict() for change in event.diff],
        "why": event.why,
        "ms": event.ms,
        "where": event.where,
    }
    if event.error is not None:
        line["error"] = error(event.error)
    if event.ignored:
        line["ignored"] = event.ignored
    if event.about.app:
        line.update(app=event.about.app, part=event.about.part)
    return line


def host_done(event: HostDone, state: str) -> dict[str, Any]:
    """The end of a host's run."""
    line: dict[str, Any] = {
        "event": "host",
        "host": event.host,
        "state": state,
        "seconds": round(event.seconds, 3),
    }
    if event.error is not None:
        line["error"] = error(event.error)
    return line


def error(problem: ProvError) -> dict[str, Any]:
    """Return a failure; every key is always present."""
    ran = problem if isinstance(problem, StepError) else StepError("")
    return {
        "message": problem.message,
        "where": problem.where,
        "hint": problem.hint,
        "argv": ran.argv,
        "status": ran.status,
        "stdout": ran.stdout,
        "stderr": ran.stderr,
    }
