"""A host for trying steps in a test, without a lab: the fixture `step_host`."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from pathlib import Path

from provision.agent import host_facts
from provision.agent.protocol import Submission
from provision.agent.secret_masks import Masks
from provision.agent.step_runner import Runner
from provision.controller import bootstrap
from provision.controller.calling import calling_line
from provision.controller.outcome import Outcome
from provision.controller.step_payload import check, encoded
from provision.steps.base import Step
from provision.system.memory.ledger import Ledger
from provision.system.planned.planned_host import PlannedSystem
from provision.system.source import Source


class StepHost:
    """This machine as a plan sees it: steps read its real files, users and packages.

    Their changes are kept in memory, where later steps see them. Nothing on the machine changes, and a test
    needs no root. It takes the place of a role's `c`: `files.file(step_host, "/etc/motd", "hello")`.
    """

    def __init__(self, folder: Path) -> None:
        """folder: where the ledger would be; nothing is written there."""
        self._masks = Masks()
        self._sources: dict[str, Source] = {}
        self._requests: deque[tuple[Source, bytes]] = deque()
        self._system = PlannedSystem(self, host_facts.gather(), Ledger(str(folder)))
        self._runner = Runner(self._system, threading.Event(), self._masks)

    def submit(self, step: Step) -> Outcome:
        """Run a step as a plan does; the outcome has what the step found.

        Raises ConfigError if its arguments are invalid or its module could not travel to a host, and
        StepFailed if it fails and has no `ignore_errors`.
        """
        where, line = calling_line()
        check(step, self._masks, where)
        bootstrap.needed(type(step).__module__)
        payload = encoded(step, self._sources, self._masks)
        outcome = Outcome(self, len(self._runner.refs) + 1, step, "", where, line)
        message = Submission(
            id=outcome.id,
            kind=payload.kind,
            fields=payload.fields,
            hide=payload.hide,
            label=outcome.label,
            role="",
            deadline=step.deadline(),
            seen=len(self._runner.failed),
            ignore=step.ignore_errors,
        )
        outcome.settle(self._runner.run(message))
        self.wait_for(outcome)
        return outcome

    def wait_for(self, outcome: Outcome) -> None:
        """Raise StepFailed if the step failed and does not ignore errors: it has already run."""
        if outcome.error is not None and not outcome.answer.ignored:
            raise outcome.error

    def read(self, path: str) -> str:
        """Return the text of a file after the steps so far. Raises StepError, OSError."""
        return self._system.files.read(path).decode()

    def exists(self, path: str) -> bool:
        """Return whether a path exists after the steps so far."""
        return self._system.files.exists(path)

    # -- requests of a host to the controller

    def fetch(self, source: Source, request: bytes = b"") -> Generator[bytes, None, None]:
        """Yield the contents of a step's source."""
        opened = self._sources[source.key].open
        assert opened is not None  # sources on the controller can be opened
        with opened(request) as f:
            yield f.read()

    def request(self, source: Source, request: bytes = b"") -> None:
        """Note that contents are wanted; `answer` yields them."""
        self._requests.append((source, request))

    def answer(self) -> Generator[bytes, None, None]:
        """Yield the contents of the first request that has no answer yet."""
        yield from self.fetch(*self._requests.popleft())

    def note(self, text: str) -> None:
        """Ignore what a step tells besides its outcome, because a test does not show it."""

    def progress(self, text: str) -> None:
        """Ignore a running step's output, because a test does not show it."""
