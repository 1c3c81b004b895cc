"""The property of every step on a host with a past: plans are exact, a second run changes nothing, undo brings it back.

A test draws the past and one wanted state:

    @drawn(past=pasts.texts())
    def test_line(hosts: Hosts, past: bytes) -> None:
        host = hosts.new()
        (host.root / "conf").write_bytes(past)
        held = hold(host, Line(str(host.root / "conf"), "a"))
        ...                                     # the effect, in held.after, and that all else is as it was

`hosts.new("/etc")` gives a host with an /etc of its own; `host.sh(script)` and `host.tells(program)` act there.

DRAWS in the environment says how many are drawn: 5 by default, always the same; `make prove` draws 200.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from pictures import Picture

from provision.controller.outcome import Outcome
from provision.steps.base import Step
from provision.steps.undo import Undo
from provision.system.planned.judging import unknown

DRAWS = int(os.environ.get("DRAWS", "5"))
T = TypeVar("T", bound=Callable[..., None])


class Runs(Protocol):
    """A host: forked.Host, or one that a test makes of tests/steps_more's Bench or of a lab host."""

    def run(self, *steps: Step, plan: bool = False) -> list[Outcome]: ...

    def picture(self) -> Picture: ...

    def remembered(self) -> bytes: ...


class Held(NamedTuple):
    """What came of it. before, after: pictures of the host, before and after the deploy."""

    outcomes: list[Outcome]
    before: Picture
    after: Picture

    @property
    def failed(self) -> str:
        """The message of the step that failed, or ""."""
        return next((o.error.message for o in self.outcomes if o.error is not None), "")

    @property
    def changed(self) -> bool:
        return any(o.state == "changed" for o in self.outcomes)


def drawn(**drawing: SearchStrategy[Any]) -> Callable[[T], T]:
    """`hypothesis.given`, as often as DRAWS says."""
    few = DRAWS <= 5
    how = settings(
        max_examples=DRAWS,
        derandomize=few,
        database=None,
        print_blob=not few,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    def decorate(test: T) -> T:
        return cast("T", how(given(**drawing)(test)))

    return decorate


def hold(
    host: Runs,
    *steps: Step,
    effect: Callable[[], None] = lambda: None,
    picture: Callable[[], Picture] | None = None,
    undone: bool = True,
) -> Held:
    """Plan, deploy, deploy again, undo; asserts what has to be so of all of them.

    effect: looks, after the deploy and before the undo, whether it is so as programs read it.
    picture: what must not change but by the deploy; by default all that host.picture sees.
    undone: whether undo brings it all back; False for what docs/steps.md says that undo leaves.
    A step that fails has to fail in the plan as well, with the same words, and to leave everything as it was.
    """
    look = picture or host.picture
    before = look()
    planned = host.run(*steps, *steps, plan=True)
    assert (now := look()) == before, f"a plan has changed something: {differences(before, now)}"
    real = host.run(*steps)
    after = look()
    for said, done in zip(planned, real):
        if done.error is not None:
            assert said.error is not None, f"the plan saw no failure: {done.error.message}"
            assert (said.error.message, said.error.hint) == (done.error.message, done.error.hint)
            assert len(steps) > 1 or after == before, (
                f"a step that failed has changed something: {differences(before, after)}"
            )
            return Held(real, before, after)
        assert said.error is None, f"only the plan fails: {said.error.message}"
        # what a plan can't know, it says
        why = done.why if said.why.endswith(unknown("")) else said.why
        planned_as, done_as = (said.state, said.diff, why), (done.state, done.diff, done.why)
        assert planned_as == done_as, f"planned was {planned_as}, done {done_as}"
    assert after == before or any(o.state == "changed" for o in real), "a change that is not told"
    effect()
    noted = host.remembered()
    again = host.run(*steps)
    assert [o.error for o in again] == [None] * len(steps)
    assert [(o.state, o.diff) for o in again] == [("ok", [])] * len(steps), [o.diff for o in again]
    assert all(o.why for o in again)
    assert (now := look()) == after, f"a second run has changed something: {differences(after, now)}"
    assert host.remembered() == noted, "a second run has written the ledger"
    assert [o.state for o in planned[len(steps) :]] == ["ok"] * len(steps), [
        o.diff for o in planned[len(steps) :]
    ]
    if undone and any(o.state == "changed" for o in real):
        (back,) = host.run(Undo())
        assert back.error is None, (str(back.error), back.error.stderr)
        left, wanted = put_back(look(), back.why), put_back(before, back.why)
        assert left == wanted, f"undo has not brought back the past: {differences(wanted, left)}"
    return Held(real, before, after)


def differences(one: Picture, other: Picture) -> dict[str, tuple[object, object]]:
    """What two pictures do not have in common."""
    return {
        path: (one.get(path), other.get(path))
        for path in sorted({*one, *other})
        if one.get(path) != other.get(path)
    }


def put_back(picture: Picture, told: str) -> Picture:
    """What undo can bring back of a picture: not which names a file has, and not what it said that it leaves."""
    return {path: what[:-1] for path, what in picture.items() if f"{path} (" not in told}
