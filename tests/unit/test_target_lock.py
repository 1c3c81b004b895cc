"""The lock of a target on a platform: renewed while a run lasts, and never taken from a run that renews it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from provision.errors import ProvError
from provision.platforms import target_lock
from provision.platforms.target_lock import TargetLock
from provision.platforms.target_records import TargetRecord, moved


class Kept:
    """Records in memory. between: called once, before the next write."""

    target = "prod"

    def __init__(self) -> None:
        self.found: dict[str, TargetRecord] = {}
        self.between: Callable[[], None] | None = None

    def read(self, name: str) -> TargetRecord:
        return self.found.get(name, TargetRecord())

    def write(self, name: str, text: str, version: str) -> TargetRecord:
        if self.between:
            between, self.between = self.between, None
            between()
        if self.read(name).version != version:
            raise moved(self.target, name)
        self.found[name] = TargetRecord(text, version + "x")
        return self.found[name]


def keep_quiet(_: str) -> None:
    """Show nothing."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_lock, "WATCHED", 0.0)


def test_the_lock_is_refused_while_it_is_held_and_free_afterwards() -> None:
    records = Kept()
    one, other = (TargetLock(records, name) for name in ("ann@a (pid 1)", "bob@b (pid 2)"))
    with one.held(keep_quiet) as check_lock:
        check_lock()
        with pytest.raises(ProvError, match="another run is at work on prod: ann@a"), other.held(keep_quiet):
            pass
        with pytest.raises(ProvError, match="still locked after 0 s"):
            other.await_free(0, keep_quiet)
    other.await_free(0, keep_quiet)
    with other.held(keep_quiet):
        pass


def test_of_two_that_take_it_at_the_same_moment_one_gets_it() -> None:
    records = Kept()
    one, other = TargetLock(records, "ann"), TargetLock(records, "bob")
    first = other.held(keep_quiet)

    def taken() -> None:
        first.__enter__()

    records.between = taken
    with pytest.raises(ProvError, match="another run is at work on prod: bob"), one.held(keep_quiet):
        pass


def test_a_lock_that_seems_to_have_ended_stays_with_a_run_that_renews_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = Kept()
    run = {"id": "x", "who": "ann", "since": "then", "renewed": 0}
    old = json.dumps({"run": run})
    records.found["lock"] = TargetRecord(old, "1")

    def renewed(_: float) -> None:
        records.found["lock"] = TargetRecord(old, "2")

    monkeypatch.setattr(time, "sleep", renewed)
    with pytest.raises(ProvError, match="at work on prod: ann"), TargetLock(records, "bob").held(keep_quiet):
        pass


def test_it_is_renewed_and_a_run_that_lost_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_lock, "RENEWED", 0.01)
    records = Kept()
    with TargetLock(records, "ann").held(keep_quiet) as check_lock:
        first = records.read("lock")
        TargetLock(records, "bob").set_operator("a reason")
        while records.read("lock").version in (first.version, first.version + "x"):
            time.sleep(0.01)
        check_lock()
        taken = {"run": {"id": "y", "who": "eve", "since": "now", "renewed": time.time()}}
        while "eve" not in records.read("lock").text:
            records.found["lock"] = TargetRecord(json.dumps(taken), records.read("lock").version + "y")
        with pytest.raises(ProvError, match="the lock of prod was lost: another run has taken it: eve"):
            while True:
                check_lock()
    assert "eve" in records.read("lock").text


def test_a_damaged_lock_locks_nothing() -> None:
    records = Kept()
    records.found["lock"] = TargetRecord("damaged", "1")
    with TargetLock(records, "ann").held(keep_quiet):
        pass
    assert json.loads(records.read("lock").text)["run"] is None
