"""The lock of a target: one run at a time changes it, and none while an operator has locked it.

A run renews its lock. A run that has died does not, so that its lock ends. Clocks of machines may differ: a lock
that seems to have ended is watched, and taken only if it is not renewed. Source: Kubernetes client-go, leader election.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from provision.errors import ProvError
from provision.platforms.platform_run import Note
from provision.platforms.target_records import RecordMoved, TargetRecord, TargetRecords
from provision.steps.base import Change, Diff
from provision.system.memory.ledger import now
from provision.system.memory.records import TEXT, Damaged, understood
from provision.system.memory.release_book import person
from provision.system.shapes import having, optional, real

NAME = "lock"
#: seconds that a lock lasts, between renewals, and for which one that seems to have ended is watched
LASTS, RENEWED, WATCHED = 60.0, 10.0, 15.0
#: how often a lock is asked for if others write it at the same moment
TRIES = 5
RUN = having({"id": TEXT, "who": TEXT, "since": TEXT, "renewed": real(0, 1e11)})
OPERATOR = having({"who": TEXT, "at": TEXT, "reason": TEXT})
STATE = having({}, {"run": optional(RUN), "operator": optional(OPERATOR)})


class TargetLock:
    """The lock of a target. who: takes it."""

    def __init__(self, records: TargetRecords, who: str) -> None:
        self._records = records
        self._who = who
        self._id = secrets.token_hex(8)
        self._renewed = 0.0
        self._lost = ""

    @contextmanager
    def held(self, note: Note) -> Iterator[Callable[[], None]]:
        """Hold the lock; yields what raises ProvError if it was lost. Raises ProvError if it can't be had."""
        self._take(note)
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(ended,), daemon=True)
        renewing.start()
        try:
            yield self._check_lock
        finally:
            ended.set()
            renewing.join()
            self.release(note)

    @contextmanager
    def noted(self, note: Note) -> Iterator[Callable[[], None]]:
        """Hold nothing, for a plan: it says what a deploy would refuse."""
        said = self.locked_by_operator()
        if said:
            note(f"{said}; a deploy refuses")
        yield lambda: None

    def release(self, note: Note) -> None:
        """Give the lock back, if it is held."""
        self._lost = self._lost or "it was given back"
        try:
            for _ in range(TRIES):
                record, state = self.state()
                if (state["run"] or {}).get("id") != self._id:
                    return
                try:
                    self._write({**state, "run": None}, record)
                    return
                except RecordMoved:
                    continue
        except ProvError as error:
            note(f"could not give the lock back, and it ends in {LASTS:g} s: {error.message}")

    def await_free(self, seconds: float, note: Note) -> None:
        """Wait until no run is at work and no operator has locked the target. Raises ProvError after `seconds`."""
        end, said = time.monotonic() + seconds, ""
        while True:
            _, state = self.state()
            run = state["run"]
            busy = run is not None and time.time() - run["renewed"] < LASTS
            found = self.operator_said(state) or (self._busy(run).message if run and busy else "")
            if not found:
                return
            if time.monotonic() > end:
                raise ProvError(f"still locked after {seconds:g} s: {found}")
            if found != said:
                note(found)
                said = found
            time.sleep(min(1.0, LASTS))

    def locked_by_operator(self) -> str:
        """Return who has locked the target with `prov lock`, since when and why; "" if no one has."""
        return self.operator_said(self.state()[1])

    def operator_said(self, state: dict[str, Any]) -> str:
        """Return a sentence about an operator's lock; "" without one."""
        lock = state["operator"]
        if not lock:
            return ""
        return (
            f"{self._records.target} is locked by {person(lock['who'])} since {lock['at']}: {lock['reason']}"
        )

    def state(self) -> tuple[TargetRecord, dict[str, Any]]:
        """Return the record of the lock, and what it says; a damaged one says nothing. Raises ProvError."""
        record = self._records.read(NAME)
        nothing: dict[str, Any] = {"run": None, "operator": None}
        try:
            found: dict[str, Any] = understood(record.text.encode(), STATE) if record.text else nothing
        except Damaged:
            return record, nothing
        return record, {**nothing, **found}

    def set_operator(self, reason: str) -> None:
        """Lock the target for everyone, or lift that lock: reason "". Raises ProvError."""
        for _ in range(TRIES):
            record, state = self.state()
            operator = {"who": self._who, "at": now(), "reason": reason} if reason else None
            try:
                self._records.write(NAME, json.dumps({**state, "operator": operator}), record.version)
                return
            except RecordMoved:
                continue
        raise ProvError(f"others keep changing the lock of {self._records.target}", hint="Try again.")

    def _take(self, note: Note) -> None:
        for _ in range(TRIES):
            record, state = self.state()
            if said := self.operator_said(state):
                raise ProvError(said, hint=f"To lift it:  prov unlock {self._records.target}")
            run = state["run"]
            if run is not None:
                if time.time() - run["renewed"] < LASTS:
                    raise self._busy(run)
                note(f"the run of {person(run['who'])} seems to have died; looking again in {WATCHED:g} s")
                time.sleep(WATCHED)
                if self._records.read(NAME).version != record.version:
                    raise self._busy(run)
            mine = {"id": self._id, "who": self._who, "since": now(), "renewed": 0}
            try:
                self._write({"operator": None, "run": mine}, record)
                return
            except RecordMoved:
                continue
        raise ProvError(f"others keep taking the lock of {self._records.target}", hint="Run again.")

    def _busy(self, run: dict[str, Any]) -> ProvError:
        return ProvError(
            f"another run is at work on {self._records.target}: {run['who']}, since {run['since']}",
            hint=f"Wait until it ends, then run again. If it has died, its lock ends after {LASTS:g} s.",
        )

    def _write(self, state: dict[str, Any], record: TargetRecord) -> None:
        """Write the state of the lock, and note that it is renewed if this run has it."""
        began = time.monotonic()
        run = state["run"]
        if run is not None:
            state = {**state, "run": {**run, "renewed": time.time()}}
        self._records.write(NAME, json.dumps(state), record.version)
        self._renewed = began

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(RENEWED):
            try:
                record, state = self.state()
                run = state["run"]
                if run is None or run["id"] != self._id:
                    self._lost = f"another run has taken it: {run['who']}" if run else "it was given back"
                    return
                self._write(state, record)
            except RecordMoved:
                continue
            except ProvError as error:
                # it lasts for several renewals
                if time.monotonic() - self._renewed > LASTS - RENEWED:
                    self._lost = f"it could not be renewed: {error.message}"
                    return

    def _check_lock(self) -> None:
        lost = self._lost
        if not lost and time.monotonic() - self._renewed > LASTS - RENEWED:
            lost = "it was not renewed in time"
        if lost:
            hint = "See who is at work, then run again."
            raise ProvError(f"the lock of {self._records.target} was lost: {lost}", hint=hint)


class OperatorLocked:
    """A target that no run may change until the lock is lifted, or one without such a lock: reason ""."""

    name = "lock of the target"

    def __init__(self, records: TargetRecords, reason: str, who: str) -> None:
        self._lock = TargetLock(records, who)
        self._reason = reason
        self._target = records.target

    def check(self) -> Diff:
        """Return what differs. Raises ProvError if another lock holds."""
        said = self._lock.locked_by_operator()
        if not self._reason:
            return Diff([Change("lock", said, "")]) if said else Diff.none("is not locked")
        if said.endswith(f": {self._reason}"):
            return Diff.none(said)
        if said:
            hint = f"To lock it yourself, lift that one first:  prov unlock {self._target}"
            raise ProvError(said, hint=hint)
        return Diff([Change("lock", "", self._reason)])

    def apply(self, note: Note) -> None:
        """Lock, or lift the lock."""
        self._lock.set_operator(self._reason)
