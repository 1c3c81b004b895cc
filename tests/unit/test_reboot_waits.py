"""Waiting for a host that reboots, and what a reboot step refuses."""

from __future__ import annotations

import time
from typing import Any

import pytest

from provision.controller.reboot_wait import comes_back
from provision.errors import UnreachableError
from provision.steps.base import Ref
from provision.steps.reboot import Reboot


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only sleeping moves."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    return now


def test_it_is_looked_for_until_it_is_back(clock: list[float]) -> None:
    answers: list[Any] = [False, UnreachableError("connection refused"), UnreachableError("no route"), True]
    told: list[str] = []

    def is_back() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, UnreachableError):
            raise answer
        return bool(answer)

    assert comes_back(is_back, 60, told.append) == clock[0] < 5
    assert told == ["it has not gone down", "it has not gone down", "connection refused", "no route"]


def test_a_host_that_stays_away_is_told_with_what_was_last_seen(clock: list[float]) -> None:
    def is_back() -> bool:
        raise UnreachableError("connection refused")

    with pytest.raises(
        UnreachableError, match=r"did not come back within 100 s .*: connection refused"
    ) as caught:
        comes_back(is_back, 100, lambda text: None)
    assert clock[0] <= 100
    assert "console" in caught.value.hint


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Reboot("two\nlines"), "one line"),
        (Reboot(within=1), "10 seconds or more"),
        (Reboot(within="soon"), "10 seconds or more"),  # type: ignore[arg-type]
        (Reboot(within=True), "10 seconds or more"),
        (Reboot(on=["conf"]), "outcomes of earlier steps"),  # type: ignore[list-item]
    ],
)
def test_bad_arguments_are_refused(step: Reboot, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        step.validate()


def test_good_arguments_are_taken() -> None:
    Reboot(on=[Ref(1)], within=60).validate()
    Reboot("why", when=[Ref(1)]).validate()
