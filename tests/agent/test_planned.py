"""A step that is held to a saved plan does that or nothing: with real agents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_sessions import Agents

from provision.agent.protocol import Submission
from provision.controller.outcome import Outcome, StepFailed
from provision.controller.session import Session
from provision.secrets import Secret
from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.files import File


def digest(agents: Agents, step: Step) -> str:
    """What a plan says of a step."""
    with agents.session(plan=True) as session:
        return session.submit(step).wait().answer.digest


@pytest.fixture
def held(agents: Agents) -> Iterator[tuple[Session, dict[str, str]]]:
    """A session, and what its steps are held to, by their labels."""
    planned: dict[str, str] = {}

    def on_send(host: str, outcome: Outcome, message: Submission, learnt: bool) -> Submission:
        held_to = planned.get(outcome.label)
        return message if held_to is None else message.replace(planned=held_to)

    session = agents.start(on_send=on_send)
    yield session, planned
    session.acknowledge()
    session.finish()


Held = tuple[Session, dict[str, str]]


def test_what_was_planned_is_done(agents: Agents, root: Path, held: Held) -> None:
    session, planned = held
    step = File(str(root / "motd"), "hello\n")
    planned[step.label()] = digest(agents, step)
    assert session.submit(step).changed
    assert (root / "motd").read_text() == "hello\n"


def test_something_else_is_not(agents: Agents, root: Path, held: Held) -> None:
    session, planned = held
    step = File(str(root / "motd"), "hello\n", mode=0o644)
    planned[step.label()] = digest(agents, step)
    (root / "motd").write_text("by hand\n")
    with pytest.raises(StepFailed, match="not what was planned; now it would be: content") as caught:
        session.submit(step).wait()
    assert "changed nothing" in caught.value.hint
    assert (root / "motd").read_text() == "by hand\n"


def test_nothing_was_planned(root: Path, held: Held) -> None:
    session, planned = held
    step = File(str(root / "motd"), "hello\n", retries=3, delay=0.01)
    planned[step.label()] = ""
    with pytest.raises(StepFailed, match="not what was planned, which is nothing; now it would be: new file"):
        session.submit(step).wait()
    assert not (root / "motd").exists()


def test_less_than_was_planned_is_fine(agents: Agents, root: Path, held: Held) -> None:
    session, planned = held
    step = File(str(root / "motd"), "hello\n", mode=0o644)
    planned[step.label()] = digest(agents, step)
    (root / "motd").write_text("hello\n")
    (root / "motd").chmod(0o644)
    assert session.submit(step).state == "ok"


def test_a_secret_is_in_no_digest(agents: Agents, root: Path) -> None:
    """Whoever reads a plan can't try passwords on it: steps that differ by them only look the same."""
    place = str(root / "token")
    one, other = (digest(agents, File(place, Secret(word))) for word in ("hunter2", "letmein"))
    assert one == other != ""
    argv = ("echo", "x")
    first, second = (
        digest(agents, Command(argv, environment={"T": Secret(word)}, reason="a test"))
        for word in ("abcd1", "efgh2")
    )
    assert first == second


def test_a_try_after_a_failed_one_is_still_what_was_planned(agents: Agents, root: Path, held: Held) -> None:
    """The first try may have left something behind, so the second finds other differences."""
    session, planned = held
    script = f"test -e {root}/half || {{ touch {root}/half; exit 1; }}; touch {root}/whole"
    step = Command(("sh", "-c", script), creates=str(root / "whole"), retries=1, delay=0.01)
    planned[step.label()] = digest(agents, step)
    assert session.submit(step).changed
    assert (root / "whole").exists()


def test_what_a_session_has_learnt(agents: Agents, root: Path) -> None:
    """Only what no plan can know counts: what came of a step that acted, once someone has read it."""
    with agents.session() as session:
        session.submit(File(str(root / "motd"), "hello\n"))
        assert not session.submit(File(str(root / "motd"), "hello\n")).changed
        assert not session.learnt
        assert session.submit(File(str(root / "other"), "hello\n")).changed
        assert session.learnt
    with agents.session() as session:
        assert session.submit(Command(("false",), reason="a test", ignore_errors="a test")).failed
        assert session.learnt
