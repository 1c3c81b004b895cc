"""Run roles on hosts: every host on its own thread, as fast as it can, not in lock-step."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from provision.agent.secret_masks import Masks
from provision.controller.event_queue import EventQueue
from provision.controller.events import (
    Connecting,
    Event,
    HostDone,
    Notice,
    Reached,
    StepDone,
    Stopping,
    Tally,
)
from provision.controller.login import NoPython
from provision.controller.outcome import Outcome, StepFailed
from provision.controller.run_options import Confirm, RunOptions
from provision.controller.session import INSTALL_PYTHON
from provision.controller.shared_work import SharedWork
from provision.controller.transport_choice import check_configuration
from provision.errors import Exit, LabError, ProvError, UnreachableError
from provision.roles.project import Assignment
from provision.roles.reach import PendingConnection
from provision.roles.role_host import Host
from provision.run.mistakes import as_error
from provision.run.work import Work, run_roles
from provision.steps.base import Change


class Run:
    """Work on hosts, a deploy or plan by default. Iterate over it for its events; iteration ends when all
    hosts have ended.

    options: settings for all hosts, except `emit`, which the run sets itself.
    pending: a connection to the first host that is being opened.  began: when, by time.monotonic().
    """

    def __init__(
        self,
        assignments: Sequence[Assignment],
        options: RunOptions,
        work: Work = run_roles,
        pending: PendingConnection | None = None,
    ) -> None:
        check_configuration(a.host.connection.paramiko for a in assignments)
        self.assignments = assignments
        self.tallies = {a.host.name: Tally() for a in assignments}
        self._queue: EventQueue[Event] = EventQueue()
        # no host of this run is the first one of these
        first: dict[str, str] = dict.fromkeys(options.group_done, "")
        self._order = providers_first(assignments)
        for assignment in self._order:
            for app in assignment.served.apps:
                first.setdefault(app.name, assignment.host.name)
        serving = [a.host.name for a in assignments if "app" in [role.name for role, _ in a.roles]]
        self._shared_work = SharedWork(first, [a.host.name for a in self._order], serving)
        for done in options.group_done:
            self._shared_work.done(done)
        confirm = self._shown_before(options.confirm) if options.confirm else None
        self._options = replace(
            options,
            emit=self._queue.put,
            confirm=confirm,
            shared_work=self._shared_work,
            stopped=lambda: self._stopped,
        )
        self._work = work
        self.began = pending.began if pending else time.monotonic()
        self._pending = pending
        self._running: dict[str, Host] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def __iter__(self) -> Iterator[Event]:
        left = len(self.assignments)
        pool = ThreadPoolExecutor(self._options.forks, thread_name_prefix="host")
        try:
            waves = self._waves()
            waiting = self._begin(pool, next(waves))
            while left:
                event = self._queue.get()
                if isinstance(event, Reached):
                    event.shown.set()
                    continue
                if isinstance(event, Stopping):
                    self._stop_sessions()
                else:
                    self.tallies[event.host].count(event)
                done = isinstance(event, HostDone)
                left, waiting = left - done, waiting - done
                yield event
                if done and left and not waiting:
                    wave = next(waves)
                    if self._failures() > self._options.max_failures:
                        wave = [*wave, *(each for later in waves for each in later)]
                        self._leave_out(wave)
                    else:
                        waiting = self._begin(pool, wave)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _waves(self) -> Iterator[list[Assignment]]:
        """Yield the hosts of each wave, in the order in which hosts start."""
        begin = 0
        for size in self._options.waves or [len(self._order)]:
            yield self._order[begin : begin + size]
            begin += size

    def _begin(self, pool: ThreadPoolExecutor, wave: Sequence[Assignment]) -> int:
        """Start the hosts of a wave; return their number."""
        for assignment in wave:
            pool.submit(self._run_host, assignment)
        return len(wave)

    def _failures(self) -> int:
        """Return how many hosts have failed so far."""
        return sum(bool(tally.failed or tally.unreachable) for tally in self.tallies.values())

    def _leave_out(self, wave: Sequence[Assignment]) -> None:
        """End hosts without a connection, as too many of earlier waves have failed."""
        failed = [name for name, tally in self.tallies.items() if tally.failed or tally.unreachable]
        for assignment in wave:
            error = ProvError(
                f"not touched, as {', '.join(failed[:5])} failed before it",
                hint="Once that works, run again: hosts that are done have nothing to change. With --continue, they are"
                " left out.",
            )
            self._shared_work.ended(assignment.host.name, failed=True)
            self._queue.put(HostDone(assignment.host.name, 0.0, error))

    def stop(self) -> None:
        """Let every host end after its current step. Iteration continues until all have ended.

        Signal handlers may call it: the iterating thread does the rest.
        """
        self._stopped = True
        self._queue.put(Stopping(""))

    def _shown_before(self, confirm: Confirm) -> Confirm:
        """Ask a question about a step after all earlier events have been shown."""

        def ask(host: str, outcome: Outcome) -> bool:
            before = Reached("", threading.Event())
            self._queue.put(before)
            before.shown.wait()
            return confirm(host, outcome)

        return ask

    def _stop_sessions(self) -> None:
        with self._lock:
            for host in self._running.values():
                if host.session is not None:
                    host.session.stop()

    def exit_status(self) -> Exit:
        """Return the worst status of all hosts."""
        tallies = self.tallies.values()
        if any(t.failed for t in tallies):
            return Exit.FAILED
        if any(t.unreachable for t in tallies):
            return Exit.UNREACHABLE
        if self._options.plan and any(t.changed or (t.maybe and self._options.maybe_counts) for t in tallies):
            return Exit.CHANGES
        return Exit.DONE

    def _run_host(self, assignment: Assignment) -> None:
        name = assignment.host.name
        # no other thread connects to that host
        pending = self._pending if assignment is self.assignments[0] else None
        began = pending.began if pending else time.monotonic()
        error: ProvError | None = None
        recovered = True
        masks = Masks()
        try:
            # work without roles shows no variables, so it need not wait until their secrets are known
            masks = assignment.masks() if assignment.roles else masks
            if not self._stopped:
                self._converge(assignment, began, pending, masks)
        except StepFailed:
            # reported with its step already
            recovered = False
        except NoPython:
            change = Change("package python3", "", "installed")
            self._queue.put(StepDone(name, "", INSTALL_PYTHON, "changed", diff=[change]))
            if assignment.roles:
                self._queue.put(Notice(name, "the rest can only be planned once python3 is installed"))
        except ProvError as problem:
            error = problem
        except Exception as bug:
            # a mistake in a role, or in prov: this host's run ends, the others continue
            error = as_error(bug)
        self._shared_work.ended(name, failed=error is not None or not recovered)
        if error is not None:
            error.hide(masks.hide)
        unreachable = isinstance(error, (UnreachableError, LabError))
        self._queue.put(HostDone(name, time.monotonic() - began, error, unreachable, recovered and not error))

    def _converge(
        self, assignment: Assignment, began: float, pending: PendingConnection | None, masks: Masks
    ) -> None:
        name = assignment.host.name
        self._queue.put(Connecting(name))
        host = Host(assignment, self._options, masks=masks, pending=pending, began=began)
        try:
            session = host.started()
            self._shared_work.reached(name)
            with self._lock:
                self._running[name] = host
            if self._stopped:
                session.stop()
            self._use(host)
        finally:
            with self._lock:
                self._running.pop(name, None)
            host.close()

    def _use(self, host: Host) -> None:
        session = host.started()
        try:
            self._work(host)
        except UnreachableError:
            session.abandon()
            raise
        except ProvError:
            # the failed step has been reported; the first exception ends the run
            with contextlib.suppress(StepFailed):
                host.finish()
            raise
        host.finish()
        session.raise_failure()


def providers_first(assignments: Sequence[Assignment]) -> list[Assignment]:
    """Return the assignments in the order in which hosts start: as given, but each after the hosts it uses.

    A host uses those that its applications use. If hosts use each other, one of them starts without waiting.
    """
    by_name = {assignment.host.name: assignment for assignment in assignments}
    found: dict[str, Assignment] = {}

    def put(assignment: Assignment, waiting: frozenset[str]) -> None:
        name = assignment.host.name
        if name in found or name in waiting:
            return
        for binding in (binding for app in assignment.served.apps for binding in app.bindings):
            if binding.provider.name in by_name:
                put(by_name[binding.provider.name], waiting | {name})
        found[name] = assignment

    for assignment in assignments:
        put(assignment, frozenset())
    return list(found.values())
