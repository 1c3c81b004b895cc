"""What a rollback chooses and refuses, and what of an instance is recorded for it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from provision.apps.application import Application
from provision.apps.recorded_releases import RecordedRelease
from provision.cli.durations import seconds_of
from provision.controller.outcome import StepFailed
from provision.errors import ProvError
from provision.report.logs_report import said_by
from provision.run import going_back
from provision.run.going_back import chosen
from provision.run.work import Work, or_undo
from provision.serving.recorded import about, recorded
from provision.steps.application_logs import time_of
from provision.steps.configuration import Configuration
from provision.steps.service_environment import entries_of
from provision.steps.services import Service
from provision.steps.support.app_processes import process_of
from provision.system.memory.release_book import newer
from provision.system.writers import systemd_environment

A, B, C = "a" * 12, "b" * 12, "c" * 12


def application(**settings: Any) -> Application:
    context = {"role_folders": ()}
    values = {
        "name": "shop",
        "source": "https://git.test/shop.git",
        "target": "shop:app",
        "domains": ["shop.test"],
    }
    return Application.model_validate({**values, **settings}, context=context)


def book(*releases: str, live: str, why: dict[str, str] | None = None) -> dict[str, Any]:
    """A book of releases, each deployed a day after the one named before."""
    instances = {
        name: {
            "release": name,
            "at": f"2026-11-0{day}T10:00:00Z",
            "about": {},
            "why": (why or {}).get(name, ""),
        }
        for day, name in enumerate(releases, 1)
    }
    return {"live": live, "instances": instances}


def test_the_release_before_the_one_in_service_is_the_default() -> None:
    assert chosen(book(A, B, C, live=C), application(), "") == B
    assert chosen(book(A, B, C, live=B), application(), "") == A, "a second rollback goes one further"
    assert chosen(book(A, B, C, live=C, why={B: "its environment is gone"}), application(), "") == A


def test_a_release_is_named_by_its_beginning() -> None:
    assert chosen(book(A, B, C, live=B), application(), "cc") == C
    assert chosen(book(A, B, C, live=C), application(), A) == A


@pytest.mark.parametrize(
    ("wanted", "live", "said"),
    [
        ("", A, "no earlier release"),
        ("ccc", C, "is in service"),
        ("dddd", C, "was pruned"),
        ("b", C, "its environment is gone"),
    ],
)
def test_what_can_not_be_gone_back_to_is_refused_with_the_list(wanted: str, live: str, said: str) -> None:
    with pytest.raises(ProvError) as error:
        chosen(book(A, B, C, live=live, why={B: "its environment is gone"}), application(), wanted)
    assert said in error.value.message
    for name in (A, B, C):
        assert name in error.value.hint


@pytest.mark.parametrize(
    ("schema", "code", "later"),
    [
        (["m/0001_a.py"], ["m/0001_a.py"], []),
        (["m/0001_a.py", "m/0002_b.py"], ["m/0001_a.py"], ["m/0002_b.py"]),
        # squashed, and what was squashed is removed
        (["m/0001_a.py", "m/0002_b.py"], ["m/0001_squashed_0002_b.py"], []),
        (["m/0001_a.py", "m/0001_squashed_0002_b.py", "m/0002_b.py"], ["m/0001_squashed_0002_b.py"], []),
        # an application that was removed
        (["m/0001_a.py", "n/0001_a.py"], ["m/0001_a.py"], []),
        # Alembic's have no order
        (["versions/ab1_x.py", "versions/cd2_y.py"], ["versions/ab1_x.py"], ["versions/cd2_y.py"]),
        # a branch of its own
        (["m/0001_a.py", "m/0002_b.py"], ["m/0001_a.py", "m/0002_other.py"], []),
    ],
)
def test_later_migrations(schema: list[str], code: list[str], later: list[str]) -> None:
    assert newer(schema, code) == later


def found(**changes: Any) -> dict[str, Any]:
    """The record of an instance."""
    values: dict[str, Any] = {
        "server": "gunicorn", "service": "[Service]\n", "socket": "[Socket]\n", "processes": 1,
        "keeps_connections": 0, "workers": {"worker": "[Service]\n# w\n"}, "jobs": {"job-shop@x.timer": "[Timer]\n"},
        "reads": ["/etc/prov/shop.env"], "environment": {"A": "1"}, "secrets": ["KEY"], "pages": ["errors/502.html"],
        "migrations": [],
        "settings": {
            "static": {"/static/": "old/static"}, "health": "/old", "path": "/",
            "processes": {"worker": {"command": ["celery", "worker"], "count": 2}}, "expect": [200, 204],
        },
    }  # fmt: skip
    return {**values, **changes}


def test_an_instance_is_as_it_was_recorded() -> None:
    app = application(static={"/new/": "new"}, health="/new", error_pages="errors")
    past = recorded(app, A, B, found())
    assert (past.id, past.release.id, past.proved) == (A, B, True)
    assert past.listens == (f"/run/app-shop/{A}.sock",)
    assert past.all_names == (A, f"{A}-1", f"{A}-2")
    assert (past.app.static, past.app.health, past.app.expect) == (
        {"/static/": "old/static"},
        "/old",
        (200, 204),
    )
    assert isinstance(past.app, Application)
    assert past.app.release is past.release
    assert past.app.domains == app.domains
    assert app.health == "/new", "the application of now stays as it is"


def test_a_record_says_again_what_it_was_read_from() -> None:
    past = recorded(application(error_pages="errors"), A, B, found())
    again = about(past, [])
    expected = found()
    for name in ("service", "socket", "workers", "jobs", "reads", "environment", "pages"):
        assert again[name] == expected[name]
    assert again["settings"]["static"] == {"/static/": "old/static"}
    assert again["settings"]["processes"]["worker"]["count"] == 2


def test_a_record_has_no_secrets() -> None:
    app = application(environment={"PLAIN": "x"}, secrets={"KEY": "c4n4ry"})
    release = RecordedRelease(app, [], recorded(app, A, B, found()).release.wanted, known=A)
    values = {**app.environment, **app.secrets}
    object.__setattr__(release, "visible", values)
    past = recorded(app, A, B, found())
    object.__setattr__(past, "release", release)
    said = about(past, [])
    assert "c4n4ry" not in str(said)
    assert said["secrets"] == ["KEY"]
    assert said["environment"] == {"PLAIN": "x"}


@pytest.mark.parametrize(
    "damage",
    [
        {"processes": 0},
        {"workers": [1]},
        {"settings": {"static": 3}},
        {"settings": {"processes": {"worker": {"count": 0, "command": ["x"]}}}},
        {"environment": None},
    ],
)
def test_a_record_that_can_not_be_read_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(ProvError, match="can't be read"):
        recorded(application(), A, B, found(**damage))
    with pytest.raises(ProvError, match="can't be read"):
        recorded(application(), "../../etc", B, found())


def test_entries_of_an_environment_file_are_found_as_they_were_written() -> None:
    values = {"A": 'x"y\\', "B": "two\nlines\nC=no", "C": "", "D": "$HOME `id`"}
    text = "".join(f"{name}={systemd_environment(value)}\n" for name, value in values.items())
    assert entries_of(text) == {name: systemd_environment(value) for name, value in values.items()}


# -- a deploy that fails


@pytest.mark.parametrize(
    ("begun", "called"),
    [
        (["base"], []),
        (["app", "gunicorn"], []),
        (["app", "gunicorn", "nginx"], ["back"]),
        (["app", "gunicorn", "nginx", "after"], ["back"]),
    ],
)
def test_a_failed_deploy_goes_back_only_if_the_front_may_have_turned(
    monkeypatch: pytest.MonkeyPatch, begun: list[str], called: list[str]
) -> None:
    done: list[str] = []
    monkeypatch.setattr(going_back, "turn_back", lambda _: done.append("back"))
    roles = [
        (SimpleNamespace(name=name, front=name == "nginx" or None), None)
        for name in ("app", "gunicorn", "nginx")
    ]
    session = SimpleNamespace(wait_for_all=lambda: None, ended=False)
    host: Any = SimpleNamespace(begun=begun, assignment=SimpleNamespace(roles=roles), started=lambda: session)

    for error in (StepFailed("broken"), ProvError("broken"), TypeError("broken")):
        done.clear()
        with pytest.raises(type(error), match="broken"):
            going_back.or_go_back(failing(error))(host)
        assert done == called
    going_back.or_go_back(lambda _: None)(host)
    assert done == called


@pytest.mark.parametrize(
    ("role", "step", "state", "turned"),
    [
        ("gunicorn", Service("x"), "changed", False),
        ("nginx", Service("nginx"), "ok", False),
        ("nginx", Service("nginx"), "skipped", False),
        ("nginx", Configuration("/etc/nginx", {}, ["nginx", "-t"]), "failed", False),
        ("nginx", Configuration("/etc/nginx", {}, ["nginx", "-t"]), "changed", True),
        ("nginx", Service("nginx"), "failed", True),
    ],
)
def test_a_front_whose_configuration_was_refused_is_left_alone(
    role: str, step: Any, state: str, turned: bool
) -> None:
    """Its program refuses the configuration in place as well: going back would fail with it."""
    error = StepFailed("refused") if state == "failed" else None
    outcome = SimpleNamespace(role=role, step=step, known_change=state == "changed", error=error)
    session = SimpleNamespace(outcomes={1: outcome})
    roles = [
        (SimpleNamespace(name=name, front=name == "nginx" or None), None) for name in ("gunicorn", "nginx")
    ]
    host: Any = SimpleNamespace(assignment=SimpleNamespace(roles=roles), started=lambda: session)
    assert going_back.has_turned(host) is turned


@pytest.mark.parametrize("guard", [going_back.or_go_back, or_undo])
def test_a_host_that_has_refused_the_run_is_asked_nothing_more(guard: Callable[[Work], Work]) -> None:
    session = SimpleNamespace(ended=True)
    host: Any = SimpleNamespace(begun=["app", "nginx"], started=lambda: session)
    with pytest.raises(ProvError, match="another run"):
        guard(failing(ProvError("another run is changing this host")))(host)


def failing(error: Exception) -> Work:
    def work(_: Any) -> None:
        raise error

    return work


def test_what_was_in_service_before_a_run_is_found() -> None:
    assert going_back.before_run(book(A, B, live=A), B) == A, "the run has not recorded its own yet"
    assert going_back.before_run({**book(A, B, live=B), "before": A}, B) == A
    assert going_back.before_run({**book(B, live=B), "before": ""}, B) == ""


def test_a_failed_deploy_does_not_go_back_onto_a_schema_that_the_release_does_not_know() -> None:
    entry = {"release": A, "about": {"migrations": ["shop/migrations/0001_initial.py"]}}
    schema = ["shop/migrations/0001_initial.py", "shop/migrations/0002_price.py"]
    assert going_back.unknown_to(schema, entry) == ["shop/migrations/0002_price.py"]
    assert going_back.unknown_to(schema[:1], entry) == []


# -- logs


@pytest.mark.parametrize(
    ("given", "seconds"), [("", 0), ("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("2d", 172800)]
)
def test_durations(given: str, seconds: float) -> None:
    assert seconds_of(None, None, given) == seconds  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["x", "10y", "-3m", "0s", "1.2.3h", "m"])
def test_what_is_no_duration_is_refused(given: str) -> None:
    import click

    with pytest.raises(click.BadParameter, match="duration"):
        seconds_of(None, None, given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ('1.2.3.4 - - [26/Nov/2026:19:39:43 +0100] "GET / HTTP/1.1" 200 5', 1795718383),
        ('{"time":"2026-11-26T18:39:43+00:00","client":"::1"}', 1795718383),
        ("no time at all", 0),
        ('1.2.3.4 - - [99/Nov/2026:19:39:43 +0100] "GET /"', 0),
    ],
)
def test_times_of_lines(line: str, at: float) -> None:
    assert time_of(line) == at


def test_times_without_a_zone_are_the_host_s_own() -> None:
    assert time_of("2026/11/26 18:39:43 [error] 5#5: *1 x") > 0
    assert time_of("[Thu Nov 26 18:39:43.123456 2026] [core:error] x") > 0


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("app-shop@aa.service", "shop web"),
        ("app-shop_worker@aa-2.service", "shop worker"),
        ("job-shop@clear.service", "shop clear"),
        ("nginx.service", "nginx"),
        ("/var/log/nginx/access.log", "nginx access"),
        ("/var/log/\x1b[31m/x.log", "\\x1b[31m x"),
    ],
)
def test_sources_in_words(source: str, said: str) -> None:
    assert said_by(source) == said


def test_processes_are_named_as_in_the_inventory() -> None:
    units = ["app-shop@a.service", "app-shop_w-1@a-2.service", "job-shop@clear.timer"]
    assert [process_of(unit) for unit in units] == ["web", "w-1", "clear"]
