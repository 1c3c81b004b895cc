"""Two steps that want different things of one path are refused: each run would do both."""

from __future__ import annotations

import pytest

from provision.errors import ConfigError
from provision.roles.wanted_paths import WantedPaths
from provision.secrets import Secret
from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.files import Absent, Directory, File, Link, Watched
from provision.system.source import Source

A = "/srv/a"


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (Directory(A, mode=0o750), Directory(A, mode=0o2750), "wants a directory with another mode there"),
        (Directory(A, owner="ann"), Directory(f"{A}/", owner="bob"), "a directory with another owner there"),
        (File(A, "one"), File(A, "two"), "wants a file with another content there"),
        (File(A, Source.of("one")), File(A, Source.of("two")), "wants a file with another content there"),
        (File(A, Secret("one")), File(A, Secret("two")), "wants a file with another content there"),
        (Link(A, "b"), Link(A, "c"), "wants a link with another target there"),
        (File(A, "one"), Directory(A), "wants a file there"),
        (Absent(A), Link(A, "b"), "wants nothing there"),
    ],
)
def test_steps_that_would_undo_each_other(first: Step, second: Step, message: str) -> None:
    wanted = WantedPaths()
    wanted.add(first)
    with pytest.raises(ConfigError, match=message) as raised:
        wanted.add(second)
    assert "test_wanted_paths.py:" in str(raised.value.where)
    assert "test_wanted_paths.py:" in raised.value.message


def test_a_third_step_is_compared_with_both() -> None:
    wanted = WantedPaths()
    wanted.add(Directory(A, mode=0o750))
    wanted.add(Directory(A, owner="ann"))
    with pytest.raises(ConfigError, match="another owner"):
        wanted.add(Directory(A, mode=0o750, owner="bob"))


@pytest.mark.parametrize(
    "steps",
    [
        [Directory(A, mode=0o750), Directory(A), Directory(A, mode=0o750, owner="ann")],
        [File(A, "one"), File(A, "one", mode=0o600)],
        [File(A, "one"), Watched(A)],
        [Absent(A), Absent(A)],
        [Command(["true"]), Command(["true"])],
        [File(A, "one"), File("/srv/b", "two")],
    ],
)
def test_steps_that_agree(steps: list[Step]) -> None:
    wanted = WantedPaths()
    for step in steps:
        wanted.add(step)
