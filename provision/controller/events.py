"""Events of a run, as small frozen classes put on one queue. Reports read them (decision D11)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, NamedTuple

from provision.controller.fact_types import Facts
from provision.errors import ProvError
from provision.steps.base import Change
from provision.values import dataclass


class About(NamedTuple):
    """What a step is for in an application, for reports.

    app: its name; "" for a step of the host itself.  part: "source", "packages", "environment", "import", "command",
    "unit", "start", "health" or "release"; "" for what prov itself needs.
    said_in: the inventory's line with the setting that the step is about, such as "inventory/hosts.yml:12"; or "".
    """

    app: str = ""
    part: str = ""
    said_in: str = ""


#: what steps are about that are for no application
HOST = About()


@dataclass(frozen=True)
class Event:
    """Base of all events. host: the inventory name of the host that it is about."""

    host: str


@dataclass(frozen=True)
class Connecting(Event):
    """A connection to the host is being opened."""


@dataclass(frozen=True)
class Connected(Event):
    """The login worked and the agent has answered. seconds: since the connection was started."""

    seconds: float


@dataclass(frozen=True)
class RoleStarted(Event):
    """The steps that follow belong to this role."""

    role: str


@dataclass(frozen=True)
class StepRunning(Event):
    """A step is still running. text: the last line of its output."""

    role: str
    step: str
    text: str


@dataclass(frozen=True)
class StepDone(Event):
    """A step has ended.

    state: ok, changed, failed, skipped or maybe.  ms: on the host.  where: "roles/nginx/__init__.py:14".
    line: the role's own line there.  error: of a failed step.  ignored: why the role ignores the failure.
    about: the application that it is for.
    """

    role: str
    step: str
    state: str
    why: str = ""
    diff: Sequence[Change] = ()
    ms: float = 0.0
    where: str = ""
    line: str = ""
    error: ProvError | None = None
    ignored: str = ""
    about: About = HOST


@dataclass(frozen=True)
class Notice(Event):
    """A notice that does not belong to a step. detail: shown only with -v."""

    text: str
    detail: bool = False


@dataclass(frozen=True)
class UndeclaredFound(Event):
    """Something that an earlier run made and no step of this run declares.

    role, step: what made it.  what: "file /etc/x".  stays: a folder that is not empty.
    """

    role: str
    what: str
    step: str
    stays: bool = False

    def why(self) -> str:
        """Return the text to show."""
        consequence = "kept, as there is something else in it" if self.stays else "--prune removes it"
        return f"no longer declared ({consequence})"


@dataclass(frozen=True)
class Served(Event):
    """What a host serves at the end of a deploy.

    app: the application.  urls: where clients find it.  address: of the host.  certificate: whom clients have to
    trust, in words.  release: in service.  commit: of its source; "" if it has none.
    """

    app: str
    urls: Sequence[str]
    address: str
    certificate: str
    release: str
    commit: str = ""


@dataclass(frozen=True)
class ReleaseBuilt(Event):
    """A release that a host has, complete and checked, at the end of `prov deploy --dry-build`.

    app: the application.  release: its name.  commit: of its source; "" if it has none.  live: it is in service.
    """

    app: str
    release: str
    commit: str
    live: bool


@dataclass(frozen=True)
class PendingMigration:
    """A migration that a deploy would apply.

    name: such as "shop.0007_price", or its path in the source.  sql: its statements.  python: what of it no SQL stands
    for.  why: why its SQL could not be told.
    """

    name: str
    sql: str
    python: Sequence[str]
    why: str


@dataclass(frozen=True)
class MigrationsPending(Event):
    """The migrations that a deploy of a release would apply to its database, in their order.

    app: the application.  release: its name.  why: why no SQL could be told.
    """

    app: str
    release: str
    migrations: Sequence[PendingMigration]
    why: str = ""


@dataclass(frozen=True)
class Switch(Event):
    """How an application will go from the instance in service to the next one, as a plan foresees it.

    app: its name.  gaps: what requests may meet; none if they are answered throughout.
    """

    app: str
    gaps: Sequence[str] = ()


@dataclass(frozen=True)
class Attention(Event):
    """Something about a host that its user should see to, told at the end. text: what, and what to do."""

    text: str


@dataclass(frozen=True)
class FactsKnown(Event):
    """The host's facts, for commands that show them."""

    facts: Facts


@dataclass(frozen=True)
class Output(Event):
    """The output of a command that a user has asked to run. status: its exit status."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class PastRun(Event):
    """A run in the host's history. run: as in its run.json.  steps: what it changed, if requested."""

    run: Mapping[str, Any]
    steps: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Answered(Event):
    """What a host has answered a command that asks. kind: its "event" for programs.  values: JSON values."""

    kind: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Stopping(Event):
    """The user asked to end the run; host is empty, because it concerns all of them."""

    TEXT = "stopping after the running steps; press Ctrl-C again to leave at once"


@dataclass(frozen=True)
class Reached(Event):
    """A marker, not shown: `shown` is set once all earlier events are shown. host is empty."""

    shown: threading.Event


@dataclass(frozen=True)
class HostDone(Event):
    """The host's run has ended.

    error: what ended it early, other than a failed step.  unreachable: the host has no session.
    recovered: no failed step ended the run, because its role caught the exceptions.
    """

    seconds: float
    error: ProvError | None = None
    unreachable: bool = False
    recovered: bool = False


@dataclass
class Tally:
    """Counts the steps of one host by state, for the summary.

    A failure that its role ignores or catches counts as skipped: the state is not reached, and no one needs
    to act.
    """

    ok: int = 0
    changed: int = 0
    failed: int = 0
    skipped: int = 0
    maybe: int = 0
    unreachable: int = 0

    def count(self, event: Event) -> None:
        """Count an event of this host."""
        if isinstance(event, StepDone):
            state = "skipped" if event.state == "failed" and event.ignored else event.state
            setattr(self, state, getattr(self, state) + 1)
        elif isinstance(event, HostDone) and event.error is not None:
            if event.unreachable:
                self.unreachable += 1
            else:
                self.failed += 1
        elif isinstance(event, HostDone) and event.recovered:
            self.skipped += self.failed
            self.failed = 0


@dataclass(frozen=True)
class Summary:
    """The end of a run. seconds: wall time of the run.  interrupted: the user ended it early."""

    hosts: dict[str, Tally] = field(default_factory=dict)
    seconds: float = 0.0
    interrupted: bool = False
