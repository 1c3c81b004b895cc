"""What each step of a deploy is told to keep to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from test_plans import plan, step

from provision.agent.protocol import Submission
from provision.saved.holding import PlannedOnly

NO_LIMIT = "no limit"


def told(guard: PlannedOnly, name: str, *, learnt: bool = False) -> Any:
    message = Submission(id=1, kind="a:B", fields={}, label=name, role="base", deadline=1.0, seen=0)
    outcome: Any = SimpleNamespace(role="base", label=name)
    planned = guard("web1", outcome, message, learnt).planned
    return NO_LIMIT if planned is None else planned


def test_each_step_keeps_to_its_own() -> None:
    guard = PlannedOnly(
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
    guard = PlannedOnly(plan(step("file /a")))
    assert told(guard, "file /other") == ""
    assert told(guard, "file /other", learnt=True) == NO_LIMIT
    assert told(guard, "file /a") == "d"
    assert told(guard, "file /a") == "", "once is what was planned"
