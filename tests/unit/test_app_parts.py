"""Processes, jobs and commands of applications, as the inventory has them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from inventories import errors, host, project

from provision.apps.app_model import App
from provision.apps.reading import apps_of
from provision.apps.schedules import calendars
from provision.controller.shared_work import SharedWork
from provision.sources.manifests import Manifests
from roles.app import chores

SHIM = Path(__file__).parents[2] / "roles/app/files/behind_front.py"


def read(folder: Path, settings: str) -> App:
    """An application with these settings, lines of YAML."""
    project(folder, {"src/requirements.txt": "", "settings.j2": ""})
    base = "source: src\ntarget: shop:app\ndomains: [shop.test]\n" + settings
    text = "apps:\n  shop:\n" + "".join(f"    {line}\n" for line in base.splitlines())
    (app,) = apps_of(host(folder, text), Manifests())
    return app


def test_short_and_long_forms(tmp_path: Path) -> None:
    app = read(
        tmp_path,
        "processes:\n  worker: celery -A shop 'two words'\n  beat: {command: [a, b c], on: one, count: 2}\n"
        "release: [flask db upgrade, {command: x, once: group}]\n"
        "jobs:\n  clear: {command: x, schedule: 5 4 * * *}\n"
        "files: {conf/settings.py: settings.j2}\n",
    )
    assert app.processes["worker"].command == ("celery", "-A", "shop", "two words")
    assert (app.processes["beat"].command, app.processes["beat"].on) == (("a", "b c"), "one")
    assert [(chore.command, chore.once) for chore in app.chores] == [
        (("flask", "db", "upgrade"), "host"),
        (("x",), "group"),
    ]
    assert app.files == {"conf/settings.py": tmp_path / "settings.j2"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            "processes: {worker: 'a | b'}",
            "processes.worker: 'a | b' needs a shell (|), but prov uses none",
        ),
        ('processes: {worker: "a \'b"}', "is not a command: no closing quotation"),
        ("processes: {worker: []}", "processes.worker: has 0 entries"),
        ("processes: {Worker: a}", "'Worker' is not a name of a-z"),
        ("processes: {a: x}\njobs: {a: {command: x, schedule: daily}}", "'a' is both a process and a job"),
        ("jobs: {a: {command: x, schedule: '61 * * * *'}}", "'61' is not a minute from 0 to 59"),
        ("jobs: {a: {command: x, schedule: '@reboot'}}", "'@reboot' is not a time"),
        (
            "jobs: {a: {command: x, schedule: every blue moon}}",
            "'every blue moon' is not a time such as 'daily'",
        ),
        ("jobs: {a: {command: x, schedule: daily at 3}}", "'daily at 3' is not a time such as 'daily'"),
        ("jobs: {a: {command: x, schedule: 3am}}", "'3am' is not a time such as 'daily'"),
        ("jobs: {a: x}", "jobs.a.schedule: "),
        ("files: {a: gone.j2}", "files.a: no such file: "),
        ("files: {../a: settings.j2}", "'../a' is not a relative path"),
        ("writable: [/var/log]", "'/var/log' is not a relative path"),
        ("sandbox: {writable_paths: [mnt]}", "'mnt' is not an absolute path"),
    ],
)
def test_bad_parts_are_told_with_their_line(tmp_path: Path, settings: str, message: str) -> None:
    (error,) = errors(lambda: read(tmp_path, settings))
    assert error.startswith("inv.yml:")
    assert message in error


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("daily", ["daily"]),
        ("Mon..Fri 03:30", ["Mon..Fri 03:30"]),
        ("@hourly", ["hourly"]),
        ("@midnight", ["daily"]),
        ("*/15 * * * *", ["*-*-* *:00,15,30,45:00"]),
        ("0 3 * * 1-5", ["Mon,Tue,Wed,Thu,Fri *-*-* 03:00:00"]),
        ("30 4 1,15 * 5", ["*-*-01,15 04:30:00", "Fri *-*-* 04:30:00"]),
        ("0 0 1 jan-mar *", ["*-01,02,03-01 00:00:00"]),
        ("5/20 2 * * 0,7", ["Sun *-*-* 02:05,25,45:00"]),
    ],
)
def test_schedules_of_cron_are_systemds(schedule: str, expected: list[str]) -> None:
    assert calendars(schedule) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        *(
            "Sat,Thu,Mon..Wed,Sat..Sun",
            "Wed, 17:48",
            "Wed..Sat,Tue 12-10-15 1:2:3",
            "monday *-12-* 17:00",
            "05:40",
        ),
        *("12,14,13,12:20,10,30", "03-05 08:05:40", "Sat,Sun 12-05 08:05:40", "05:40:23.4200004/3.1700005"),
        *("2003-02..04-05", "2003-03-05 05:40 UTC", "2003-03-05T05:40", "weekly Pacific/Auckland", "*:2/3"),
        *(
            "*-*~07/1",
            "*-05~03",
            "Mon *-05~07/1",
            "semiannually",
            "Sunday 4:00 America/Argentina/Buenos_Aires",
        ),
    ],
)
def test_schedules_of_systemd_stay_as_they_are(schedule: str) -> None:
    """Examples of systemd.time(7)."""
    assert calendars(schedule) == [schedule]


@pytest.mark.parametrize(
    ("code", "target", "outcome"),
    [
        ("def app(environ, start_response): pass", "app", "app"),
        ("def create_app(): return lambda environ, start_response: None", "create_app", "<lambda>"),
        ("def create_app(config=None, testing=False): return lambda e, s: None", "create_app", "<lambda>"),
        ("def create_app(): return lambda e, s: None", "create_app()", "<lambda>"),
        ("def app(*args): pass", "app", "app"),
        ("def create_app(): return 3", "create_app", "has made 3, which can't be called"),
        ("def create_app(): return lambda a, b, c: None", "create_app", "it speaks asgi"),
        ("app = 3", "app()", "is 3, which can't be called"),
    ],
)
def test_factories(tmp_path: Path, code: str, target: str, outcome: str) -> None:
    (tmp_path / "shop.py").write_text(code)
    environment = {**os.environ, "PROV_INTERFACE": "wsgi", "PROV_TARGET": f"shop:{target}", "PROV_PREFIX": ""}
    show = f"import runpy; print(runpy.run_path({str(SHIM)!r})['inner'].__name__)"
    argv = [sys.executable, "-c", show]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert outcome in done.stdout + done.stderr


def test_others_wait_for_the_first_host_and_hear_of_its_failure() -> None:
    together = SharedWork({"shop": "web1", "news": "web1"})
    assert together.is_first("shop", "web1")
    assert not together.is_first("shop", "web2")
    heard: list[str] = []
    waiting = threading.Thread(target=lambda: heard.append(together.wait("shop")))
    waiting.start()
    together.done("shop")
    waiting.join(10)
    together.ended("web1")
    assert heard == [""]
    assert together.wait("news") == "web1"


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        ("alembic upgrade head", True),
        ("alembic -c db/alembic.ini -x a=b upgrade heads", True),
        ("python -m alembic upgrade head", True),
        ("flask --app shop db upgrade", True),
        ("python3 -m flask db upgrade -d other", True),
        ("alembic downgrade base", False),
        ("flask upgrade db", False),
        ("flask", False),
        ("python manage.py upgrade", False),
        ("sh -c 'alembic upgrade head'", False),
    ],
)
def test_upgrades_that_a_database_is_asked_about(command: str, asked: bool) -> None:
    assert chores.upgrades(shlex.split(command)) is asked
