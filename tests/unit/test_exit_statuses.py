"""Exit statuses: scripts rely on their values."""

from __future__ import annotations

from provision.errors import (
    ConfigError,
    Exit,
    LabError,
    ProvError,
    StepError,
    UnreachableError,
    UsageError,
)


def test_their_values() -> None:
    assert {each.name: each.value for each in Exit} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "CHANGES": 3,
        "UNREACHABLE": 4,
        "INTERRUPTED": 130,
    }


def test_those_of_errors() -> None:
    found = {kind: kind("x").exit_code for kind in (ProvError, StepError, LabError)}
    assert set(found.values()) == {Exit.FAILED}
    assert UsageError("x").exit_code == ConfigError("x").exit_code == Exit.USAGE
    assert UnreachableError("x").exit_code == Exit.UNREACHABLE
