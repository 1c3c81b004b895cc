"""Bring the instances of hosts to what the inventory says, or take them away; each host on a thread of its own.

The same steps plan and act: each is checked, shown, and applied unless the run only plans. Events are those of a
deploy, so that every report shows them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from provision.cloud.cloud_host import CloudHost, CloudStep
from provision.cloud.elastic_address import ElasticAddress, NoElasticAddress, find_addresses
from provision.cloud.first_boot import FirstBoot
from provision.cloud.host_instance import HostInstance, NoInstanceLeft
from provision.cloud.own_security_group import NoSecurityGroup, OwnSecurityGroup, find_group
from provision.controller.event_queue import EventQueue
from provision.controller.events import Event, HostDone, Notice, StepDone, Tally
from provision.errors import ProvError, UnreachableError
from provision.locks import locked

#: the role that events name
ROLE = "ec2"
StepsOf = Callable[[CloudHost], Sequence[CloudStep]]


def steps_up(host: CloudHost) -> Sequence[CloudStep]:
    """Return the steps that make a host's instance, in order."""
    own = [OwnSecurityGroup(host)] if host.spec.rules or find_group(host) else []
    elastic: list[CloudStep] = [ElasticAddress(host)] if host.spec.address == "elastic" else []
    if not elastic and find_addresses(host):
        elastic = [NoElasticAddress(host)]
    return [*own, HostInstance(host), *elastic, FirstBoot(host)]


def steps_down(host: CloudHost) -> Sequence[CloudStep]:
    """Return the steps that take a host's instance away, in order."""
    return [NoInstanceLeft(host), NoElasticAddress(host), NoSecurityGroup(host)]


class Notes:
    """Shows the progress of a host, each line once: steps are checked twice, and AWS is asked again and again."""

    def __init__(self, host: str, put: Callable[[Event], None]) -> None:
        self._host, self._put = host, put
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._put(Notice(self._host, text))


class CloudRun:
    """A run over hosts: iterate over its events. tallies: counts of steps, by host.

    role: what events name as such.
    make: makes a host, given what shows its progress; it is called on the host's thread.
    """

    def __init__(
        self,
        names: Sequence[str],
        make: Callable[[str, Callable[[str], None]], CloudHost],
        steps: StepsOf,
        *,
        plan: bool,
    ) -> None:
        self.role = ROLE
        self._names = names
        self._make = make
        self._steps = steps
        self._plan = plan
        self._queue: EventQueue[Event] = EventQueue()
        self.tallies = {name: Tally() for name in names}

    def __iter__(self) -> Iterator[Event]:
        for name in self._names:
            threading.Thread(target=self._run, args=(name,), daemon=True).start()
        left = len(self._names)
        while left:
            event = self._queue.get()
            self.tallies[event.host].count(event)
            left -= isinstance(event, HostDone)
            yield event

    def _run(self, name: str) -> None:
        began, error = time.monotonic(), None
        try:
            host = self._make(name, Notes(name, self._queue.put))
            if self._plan:
                self._converge(host)
            else:
                with locked(
                    host.cache.folder, mode=0o700, waiting=lambda: host.note("another prov is at work")
                ):
                    self._converge(host)
        except ProvError as problem:
            error = problem
        except Exception as bug:
            error = ProvError(
                f"{type(bug).__name__}: {bug}", hint="This is a mistake in prov; please report it."
            )
        unreachable = isinstance(error, UnreachableError)
        self._queue.put(HostDone(name, time.monotonic() - began, error, unreachable))

    def _converge(self, host: CloudHost) -> None:
        if not self._plan:
            # all that can be refused is, before anything is made
            for step in self._steps(host):
                step.check()
        for step in self._steps(host):
            began = time.monotonic()
            diff = step.check()
            if diff and not self._plan:
                step.apply()
            ms = (time.monotonic() - began) * 1000
            state = "changed" if diff else "ok"
            self._queue.put(StepDone(host.name, ROLE, step.name, state, diff.why, tuple(diff.changes), ms))
        if not self._plan and self._steps is steps_up:
            host.remember_address()
