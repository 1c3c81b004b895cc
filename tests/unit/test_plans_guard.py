"""What each step of a deploy is told to keep to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from test_plans import plan, step

from provision.planning import Guard

NO_LIMIT = "no limit"


def told(guard: Guard, name: str, *, learnt: bool = False) -> Any:
    message: dict[str, Any] = {}
    guard("web1", SimpleNamespace(role="base", label=name), message, learnt)  # type: ignore[arg-type]
    return message.get("planned", NO_LIMIT)


def test_each_step_keeps_to_its_own() -> None:
    guard = Guard(
        plan(
            step("file /a"),
            step("file /a", digest="second"),
            step("service nginx", "ok"),
            step("command ls", "maybe"),
            step("command may-fail", "failed", ignored="old hosts"),
            step("file /b", "skipped"),
        )
    )
    assert told(guard, "file /a") == "d"
    assert told(guard, "service nginx") == ""
    assert told(guard, "file /a", learnt=True) == "second"
    assert told(guard, "command ls") == NO_LIMIT
    assert told(guard, "command may-fail") == NO_LIMIT
    assert told(guard, "file /b") == ""


def test_a_step_that_no_plan_has_may_act_only_if_python_has_learnt_something() -> None:
    guard = Guard(plan(step("file /a")))
    assert told(guard, "file /other") == ""
    assert told(guard, "file /other", learnt=True) == NO_LIMIT
    assert told(guard, "file /a") == "d"
    assert told(guard, "file /a") == "", "once is what was planned"
