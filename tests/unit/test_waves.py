"""Waves of hosts: their sizes, and what is left out after a failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from inventories import project

from provision.controller.events import Event, HostDone
from provision.controller.run_options import RunOptions
from provision.errors import Exit, ProvError
from provision.inventory import load
from provision.roles.project import Assignment
from provision.run.on_hosts import Run
from provision.run.waves import batch_of, check_size, most_failures, sizes


@pytest.mark.parametrize(
    ("batch", "total", "found"),
    [
        (["1", "25%", "100%"], 10, [1, 3, 6]),
        (["1"], 3, [1, 1, 1]),
        (["2", "50%"], 7, [2, 4, 1]),
        (["30"], 4, [4]),
        (["1%"], 3, [1, 1, 1]),
        (["100%"], 1, [1]),
    ],
)
def test_sizes_of_waves(batch: list[str], total: int, found: list[int]) -> None:
    assert sizes(batch, total) == found


@pytest.mark.parametrize("text", ["0", "-1", "101%", "x", "", "1.5", "0%", "%"])
def test_sizes_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number of hosts"):
        check_size(text)


def test_one_host_at_a_time_ends_at_the_first_that_fails() -> None:
    """A deploy with --forks 1 is one in waves of one host; a plan looks at all of them."""
    assert batch_of((), forks=1, plan=False) == ("1",)
    assert batch_of((), forks=1, plan=True) == batch_of((), forks=5, plan=False) == ("100%",)
    assert batch_of(("50%",), forks=1, plan=False) == ("50%",)


def test_failures_that_are_allowed() -> None:
    assert [most_failures(text, 20) for text in ("0", "2", "10%", "50")] == [0, 2, 2, 20]


class FakeRun(Run):
    """A run whose hosts end as told, without connections. began_with: the hosts in the order in which they began."""

    failing: frozenset[str] = frozenset()

    def __init__(self, assignments: list[Assignment], options: RunOptions) -> None:
        super().__init__(assignments, options)
        self.began_with: list[str] = []

    def _run_host(self, assignment: Assignment) -> None:
        name = assignment.host.name
        self.began_with.append(name)
        error = ProvError("broken") if name in self.failing else None
        self._queue.put(HostDone(name, 0.0, error))


def ran(tmp_path: Path, failing: set[str], waves: list[int], most: int = 0) -> tuple[FakeRun, list[Event]]:
    inventory = "web:\n  hosts:\n" + "".join(f"    web{n}:\n" for n in range(1, 7))
    folder = project(tmp_path, {"inventory/hosts.yml": inventory})
    hosts = load([str(folder / "inventory/hosts.yml")]).select("web")
    FakeRun.failing = frozenset(failing)
    run = FakeRun([Assignment(host) for host in hosts], RunOptions(waves=waves, max_failures=most))
    return run, list(run)


def test_every_wave_begins_once_the_one_before_has_ended(tmp_path: Path) -> None:
    run, events = ran(tmp_path, set(), [1, 2, 3])
    assert run.began_with[0] == "web1"
    assert set(run.began_with[1:3]) == {"web2", "web3"}
    assert len(run.began_with) == len(events) == 6
    assert run.exit_status() == Exit.DONE


def test_later_waves_are_left_out_after_a_failure(tmp_path: Path) -> None:
    run, events = ran(tmp_path, {"web2"}, [1, 2, 3])
    assert set(run.began_with) == {"web1", "web2", "web3"}, "its own wave goes on"
    left = [
        event for event in events if isinstance(event, HostDone) and event.host in ("web4", "web5", "web6")
    ]
    assert len(left) == 3
    assert all(e.error and e.error.message == "not touched, as web2 failed before it" for e in left)
    assert run.exit_status() == Exit.FAILED


def test_a_canary_that_fails_is_the_only_one(tmp_path: Path) -> None:
    run, events = ran(tmp_path, {"web1"}, [1, 5])
    assert run.began_with == ["web1"]
    assert len(events) == 6


def test_as_many_may_fail_as_are_allowed(tmp_path: Path) -> None:
    run, _ = ran(tmp_path, {"web1", "web2"}, [1, 1, 4], most=1)
    assert run.began_with == ["web1", "web2"]
    run, _ = ran(tmp_path, {"web1"}, [1, 1, 4], most=1)
    assert len(run.began_with) == 6


def test_without_waves_all_begin(tmp_path: Path) -> None:
    run, _ = ran(tmp_path, {"web1"}, [])
    assert len(run.began_with) == 6
