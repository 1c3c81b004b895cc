"""What a run names at its end: units that have not read what has changed, and deploys that a rollback holds."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from provision.agent.protocol import Done
from provision.controller.events import HOST, About, Event
from provision.controller.outcome import Outcome, StepFailed
from provision.run import going_back
from provision.run.going_back import Choice
from provision.run.work import or_tell_owed
from provision.steps.base import Step
from provision.steps.files import File
from provision.steps.services import Service


def step_done(step: Step, state: str, about: About = HOST) -> Outcome:
    """A step that has run."""
    outcome = Outcome(SimpleNamespace(wait_for=lambda outcome: None), 1, step, "nginx", "", "", about)
    outcome.settle(Done(id=1, state=state))  # type: ignore[arg-type]
    return outcome


def configuration(state: str) -> Outcome:
    return step_done(File("/etc/nginx/nginx.conf", b""), state)


def service(state: str, *refs: Outcome, unit: str = "nginx", about: About = HOST) -> Outcome:
    return step_done(Service(unit, reload_on=refs[:1], restart_on=refs[1:]), state, about)


def told(outcomes: Sequence[Outcome]) -> list[str]:
    """What a run that fails with these steps names at its end."""
    events: list[Event] = []

    def fails() -> None:
        raise StepFailed("broken")

    session = SimpleNamespace(outcomes=dict(enumerate(outcomes)), wait_for_all=fails)
    host: Any = SimpleNamespace(name="web1", emit=events.append, started=lambda: session)
    with pytest.raises(StepFailed, match="broken"):
        or_tell_owed(lambda _: None)(host)
    return [f"{event.host}: {vars(event)['text']}" for event in events]


def test_units_that_a_failure_kept_from_reading_what_changed_are_named() -> None:
    changed, unit = configuration("changed"), step_done(File("/etc/x", b""), "changed")
    assert told([changed, unit, service("skipped", changed, unit)]) == [
        "web1: nginx has not read what this run changed: file /etc/x, file /etc/nginx/nginx.conf; "
        "the next deploy sees to it"
    ]


@pytest.mark.parametrize("state", ["ok", "changed", "failed"])
def test_units_that_a_run_has_seen_to_are_not(state: str) -> None:
    changed = configuration("changed")
    assert told([changed, service(state, changed)]) == []
    assert told([changed, service("skipped", changed), service(state, changed)]) == [], "the way back"
    assert len(told([changed, service("skipped", changed), service(state, changed, unit="php")])) == 1


def test_units_whose_inputs_are_as_before_are_not_named_nor_are_new_instances() -> None:
    same, changed = configuration("ok"), configuration("changed")
    assert told([same, service("skipped", same)]) == []
    assert told([changed, service("skipped", changed, unit="app-shop@a", about=About("shop", "start"))]) == []


@pytest.mark.parametrize(
    ("hold", "planning", "said"),
    [
        (True, False, ["web1: deploys of shop are held; prov resume web1 shop lets them through"]),
        (True, True, []),
        (False, False, []),
    ],
)
def test_a_rollback_ends_with_how_to_let_deploys_through(
    monkeypatch: pytest.MonkeyPatch, hold: bool, planning: bool, said: list[str]
) -> None:
    monkeypatch.setattr(going_back, "chosen_app", lambda host, name: SimpleNamespace(name="shop"))
    monkeypatch.setattr(going_back, "earlier_instance", lambda host, app, choice: None)
    monkeypatch.setattr(going_back, "switch", lambda host, instances: None)
    events: list[Event] = []
    session = SimpleNamespace(wait_for_all=lambda: None)
    host: Any = SimpleNamespace(name="web1", emit=events.append, started=lambda: session, planning=planning)
    going_back.rollback(Choice(hold=hold))(host)
    assert [f"{event.host}: {vars(event)['text']}" for event in events] == said
