"""What happens during a run, as small frozen classes on one queue. Reports read them (decision D11)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from provision.controller.fact_types import Facts
from provision.errors import ProvError
from provision.steps.base import Change
from provision.values import dataclass


@dataclass(frozen=True)
class Event:
    """host: the inventory name of the host it is about."""

    host: str


@dataclass(frozen=True)
class Connecting(Event):
    """A connection to the host is being opened."""


@dataclass(frozen=True)
class Connected(Event):
    """The login worked, and the agent has answered. seconds: since the connection began."""

    seconds: float


@dataclass(frozen=True)
class RoleStarted(Event):
    """The steps that follow belong to this role."""

    role: str


@dataclass(frozen=True)
class StepRunning(Event):
    """A step takes its time. text: the last line of what it prints."""

    role: str
    step: str
    text: str


@dataclass(frozen=True)
class StepDone(Event):
    """A step ended.

    state: ok, changed, failed, skipped or maybe.  ms: on the host.  where: "roles/nginx/__init__.py:14".
    line: the role's own line there.  error: for failed ones.  ignored: the role's reason to go on after it.
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


@dataclass(frozen=True)
class Notice(Event):
    """Something worth telling that is not a step. detail: only for those who ask for more (-v)."""

    text: str
    detail: bool = False


@dataclass(frozen=True)
class UndeclaredFound(Event):
    """Something that an earlier run made, and that no step of this one was about.

    role, step: what made it.  what: "file /etc/x".  stays: a folder in which there is something else.
    """

    role: str
    what: str
    step: str
    stays: bool = False

    def why(self) -> str:
        """What is to be said of it."""
        consequence = "kept, as there is something else in it" if self.stays else "--prune removes it"
        return f"no longer declared ({consequence})"


@dataclass(frozen=True)
class FactsKnown(Event):
    """What the host is, for commands that ask for it."""

    facts: Facts


@dataclass(frozen=True)
class Output(Event):
    """What a command printed that a person has asked to run. status: its exit status."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class PastRun(Event):
    """A run that the host remembers. run: as in its run.json.  steps: what it changed, if asked for."""

    run: Mapping[str, Any]
    steps: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Stopping(Event):
    """Someone wants the run to end; host is empty, because it is about all of them."""

    TEXT = "stopping after the running steps; press Ctrl-C again to leave at once"


@dataclass(frozen=True)
class Reached(Event):
    """Not to be shown: `shown` is set once all that was told before has been. host is empty."""

    shown: threading.Event


@dataclass(frozen=True)
class HostDone(Event):
    """The host's run ended. error: what ended it early, other than a failed step; unreachable: by no session.

    recovered: no failed step has ended it: its role has caught the exceptions of those that there were.
    """

    seconds: float
    error: ProvError | None = None
    unreachable: bool = False
    recovered: bool = False


@dataclass
class Tally:
    """Steps of one host by state, as the summary counts them.

    A failure that its role ignores, or catches, counts as skipped: the state is not reached, and no one needs to
    act.
    """

    ok: int = 0
    changed: int = 0
    failed: int = 0
    skipped: int = 0
    maybe: int = 0
    unreachable: int = 0

    def count(self, event: Event) -> None:
        """Take an event of this host into account."""
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
    """The end of a run. seconds: wall time of the whole.  interrupted: someone ended it before its end."""

    hosts: dict[str, Tally] = field(default_factory=dict)
    seconds: float = 0.0
    interrupted: bool = False


Events = queue.SimpleQueue[Event]
