"""Every application server with an example behind nginx: what is served and seen, and what happens on bad days."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, on, reboot
from helpers.projects import EXAMPLES, Project
from helpers.samples import sample
from helpers.web import Site, Visitors

from provision import lab

pytestmark = pytest.mark.lab

LARGE = os.urandom(20 << 20)
COMMON: dict[str, Any] = {"static": {"/static/": "static"}, "health": "/healthz", "max_body": "30m"}
HELLO = {**COMMON, "source": "../flask_hello", "target": "hello:app"}
#: seconds that a request may take; a stream takes longer
LIMIT = 2
ASGI = {**COMMON, "interface": "asgi", "streams": ["/events"], "workers": 1, "timeout": LIMIT}
FAST = {**ASGI, "source": "../fastapi_hello", "target": "hello:app"}
CHAT = {
    **ASGI,
    "source": "../django_chat",
    "target": "chat_site.asgi:application",
    "django": {"settings": "chat_site.settings", "migrate": False},
}
POLLS = {
    **COMMON,
    "source": "../django_polls",
    "target": "polls_site.wsgi:application",
    "django": {"settings": "polls_site.settings"},
}
#: host: application: settings; each server and each example at least once, prefixes with both interfaces
SERVED: dict[str, dict[str, dict[str, Any]]] = {
    "t-sv12": {
        "polls": {**POLLS, "server": "gunicorn", "domains": ["polls.test"], "workers": 1},
        "flask": {**HELLO, "server": "hypercorn", "domains": ["hello.test"], "path": "/shop/"},
        "chat": {**CHAT, "server": "uvicorn", "domains": ["hello.test"], "path": "/chat/"},
        "fast": {**FAST, "server": "granian", "domains": ["hello.test"], "path": "/fast/"},
    },
    "t-sv13": {
        "flask": {**HELLO, "server": "uwsgi", "domains": ["flask.test"], "path": "/shop/", "tls": "none"},
        "fast": {**FAST, "server": "gunicorn", "domains": ["fast.test"]},
        "second": {**FAST, "server": "hypercorn", "domains": ["fast.test"], "path": "/second/"},
        # several processes of a server that has no workers of its own
        "third": {**FAST, "server": "daphne", "domains": ["fast.test"], "path": "/third/", "workers": 2},
    },
}
ALL = [(host, app) for host, apps in SERVED.items() for app in apps]
EVENTS = [(host, app) for host, app in ALL if SERVED[host][app].get("streams")]
TITLES = {
    "flask_hello": "Hello from Flask",
    "fastapi_hello": "Hello from FastAPI",
    "django_chat": "Chat: lobby",
    "django_polls": "Polls",
}


@dataclass(frozen=True)
class Served:
    """Both hosts with all applications. planned, first, second: the runs that made them so."""

    project: Project
    hosts: dict[str, lab.LabHost]
    planned: Run
    first: Run
    second: Run

    def site(self, host: str, app: str) -> Site:
        settings = SERVED[host][app]
        prefix, tls = settings.get("path", "/").rstrip("/"), settings.get("tls") != "none"
        return Site(self.hosts[host].address, settings["domains"][0], self.project.ca, prefix, tls)


def inventory(project: Project, served: dict[str, dict[str, dict[str, Any]]]) -> None:
    project.inventory(
        {host: {"apps": apps} for host, apps in served.items()},
        ansible_connection="lab",
        roles=["python", "app"],
    )


@pytest.fixture(scope="module")
def served(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Both hosts, from bare to served."""
    project = Project(tmp_path_factory.mktemp("servers"))
    for example in TITLES:
        ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*", "secret_key")
        shutil.copytree(EXAMPLES / example, project.folder / example, ignore=ignored)
    inventory(project, SERVED)
    hosts = lab_hosts.up({"t-sv12": Kind(), "t-sv13": Kind("debian-13")})
    planned = prov("plan", "tests", cwd=project.folder)
    first = prov("deploy", "tests", cwd=project.folder, timeout=400)
    second = prov("deploy", "tests", cwd=project.folder)
    yield Served(project, hosts, planned, first, second)


def units(host: str, app: str, kind: str = "service") -> list[str]:
    """Units of an application that are loaded, in whatever state."""
    listed = on(host, "systemctl", "list-units", "--all", "--plain", "--no-legend", f"app-{app}@*.{kind}")
    return [line.split()[0] for line in listed.splitlines()]


def unit_files(host: str, app: str) -> list[str]:
    listed = on(host, "find", "/etc/systemd/system", "-name", f"app-{app}@*", "-printf", "%f\n")
    return sorted(set(listed.split()))


# -- deployed


@pytest.mark.parametrize("host", SERVED)
def test_a_deploy_does_what_the_plan_said_and_a_second_one_nothing(served: Served, host: str) -> None:
    assert served.first.not_in(host, "ok", "changed") == []
    assert served.second.not_in(host, "ok") == []
    said = {step["step"]: step["state"] for step in served.planned.steps(host)}
    done = {step["step"]: step["state"] for step in served.first.steps(host)}
    assert {step: (said.get(step), state) for step, state in done.items() if said.get(step) != state} == {}


@pytest.mark.parametrize(("host", "app"), ALL)
def test_pages_files_and_uploads(served: Served, host: str, app: str) -> None:
    site = served.site(host, app)
    page = site.get()
    assert (page.status, page.title) == (200, TITLES[SERVED[host][app]["source"].removeprefix("../")])
    address = next(word for word in page.text.split('"') if word.endswith(".css"))
    style = site.get(address.removeprefix(site.prefix) if address.startswith("/") else f"/{address}")
    assert (style.status, "font-family" in style.text) == (200, True)
    assert site.get(f"/?q={'x' * 7000}").status == 200, "gunicorn's default is 4094 bytes"
    answer = site.get("/upload", body=LARGE, timeout=20)
    assert answer.status == 200
    assert answer.json() == {"bytes": len(LARGE), "sha256": hashlib.sha256(LARGE).hexdigest()}
    assert site.get("/upload", body=LARGE * 2, timeout=20).status == 413


@pytest.mark.parametrize(("host", "app"), ALL)
def test_the_application_sees_its_client_and_nobody_who_is_forged(
    served: Served, host: str, app: str
) -> None:
    site = served.site(host, app)
    forged = {
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Proto": "gopher",
        "Forwarded": "for=198.51.100.7",
    }
    answer = site.get("/whoami", headers=forged)
    assert answer.status == 200
    with site.connected(10) as connection:
        own = connection.getsockname()[0]
    scheme = "https" if site.tls else "http"
    assert answer.json() == {"client": own, "scheme": scheme, "host": site.domain}


@pytest.mark.parametrize(("host", "app"), EVENTS)
def test_events_come_as_they_happen_for_longer_than_a_request_may_take(
    served: Served, host: str, app: str
) -> None:
    times = served.site(host, app).arrivals("/events")
    assert times[-1] - times[0] > LIMIT
    # half a second apart, where an answer that is held back comes all at once
    assert times[2] - times[0] > 0.6


@pytest.mark.parametrize(("host", "app"), EVENTS)
def test_websockets(served: Served, host: str, app: str) -> None:
    site = served.site(host, app)
    chat = SERVED[host][app]["source"] == "../django_chat"
    if chat:
        heard = site.said("/ws/lobby/", json.dumps({"text": "hello"}), visitors=2)
        assert [json.loads(text) for text in heard] == [{"text": "hello"}] * 2
    else:
        assert site.said("/echo", "hello") == ["hello"]


# -- units


@pytest.mark.parametrize(("host", "app"), ALL)
def test_units_are_hardened_and_their_sockets_private(served: Served, host: str, app: str) -> None:
    processes = 2 if app == "third" else 1
    analyse = (
        "systemd-analyze security --no-pager $(systemctl list-units --plain --no-legend '%s' | cut -d' ' -f1)"
    )
    report = on(host, "sh", "-c", f"{analyse % f'app-{app}@*.service'} | grep 'Overall exposure'")
    exposures = [float(line.split(": ")[1].split()[0]) for line in report.splitlines()]
    assert len(exposures) == processes
    assert max(exposures) <= 2.0, report
    sockets = on(host, "sh", "-c", f"stat -c '%a %U %G' /run/app-{app}/*.sock").splitlines()
    assert sockets == ["660 root www-data"] * processes


@pytest.mark.parametrize(("host", "app"), ALL)
def test_a_reload_costs_no_request_and_a_crash_is_mended(served: Served, host: str, app: str) -> None:
    site, (unit, *_) = served.site(host, app), units(host, app)
    with Visitors(site, "/healthz") as visitors:
        on(host, "systemctl", "reload-or-restart", unit)
        time.sleep(0.5)
    assert len(visitors.answers) > 2
    assert visitors.lost == []
    script = f"p=$(systemctl show -P MainPID {unit}); kill -9 $p; sleep 1.5; echo $p; systemctl show -P MainPID {unit}"
    before, after = on(host, "sh", "-c", script).split()
    assert site.up_within(15)
    assert after not in ("0", before)


def test_a_reboot_brings_everything_back(served: Served) -> None:
    reboot(*SERVED)
    for host, app in ALL:
        assert served.site(host, app).up_within(60), (host, app)
    for host in SERVED:
        assert prov("deploy", host, cwd=served.project.folder).not_in(host, "ok") == []


# -- changed


@pytest.mark.parametrize(
    "change",
    sample(
        [
            {"server": "uwsgi"},
            {"server": "uvicorn", "interface": "asgi", "target": "polls_site.asgi:application"},
            {"server": "daphne", "interface": "asgi", "target": "polls_site.asgi:application"},
        ],
        3,
    ),
    ids=lambda change: change["server"],
)
def test_another_server_takes_over_without_a_lost_request(served: Served, change: dict[str, Any]) -> None:
    host, site = "t-sv12", served.site("t-sv12", "polls")
    changed = {**SERVED[host], "polls": {**SERVED[host]["polls"], **change, "workers": 1}}
    inventory(served.project, {host: changed})
    before = units(host, "polls")
    with Visitors(site) as visitors:
        run = prov("deploy", host, cwd=served.project.folder, timeout=300, status=0)
    assert run.not_in(host, "ok", "changed") == []
    assert len(visitors.answers) > 20
    assert visitors.lost == []
    assert site.get("/whoami").status == 200
    (unit,) = units(host, "polls")
    assert unit not in before
    assert on(host, "systemctl", "show", "-P", "Description", unit).startswith(f"polls by {change['server']}")
    assert unit_files(host, "polls") == [unit, unit.replace(".service", ".socket")]
    assert on(host, "ls", "/run/app-polls").split() == [f"{unit.split('@')[1].removesuffix('.service')}.sock"]
    assert prov("deploy", host, cwd=served.project.folder, status=0).tally(host)["changed"] == 0


# -- bad input


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no module": ({"target": "nowhere:app"}, "No module named 'nowhere'"),
    "no name": ({"target": "hello:nothing"}, "hello:nothing: module 'hello' has no attribute 'nothing'"),
    "not callable": ({"target": "hello:__doc__"}, "which can't be called"),
    "wsgi as asgi": (
        {"server": "uvicorn", "interface": "asgi"},
        "hello:app takes (environ, start_response): it speaks wsgi; set `interface: wsgi`",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be_served_is_told_of_and_what_ran_runs(served: Served, mistake: str) -> None:
    host, site = "t-sv13", served.site("t-sv13", "flask")
    change, words = MISTAKES[mistake]
    before = units(host, "flask")
    inventory(served.project, {host: {"flask": {**SERVED[host]["flask"], **change}}})
    with Visitors(site, "/healthz") as visitors:
        run = prov("deploy", host, cwd=served.project.folder, status=1)
    assert words in run.error()["stderr"], run.error()
    assert visitors.lost == []
    assert units(host, "flask") == before


def test_a_traceback_of_the_application_is_shown(served: Served) -> None:
    host = "t-sv13"
    inventory(served.project, {host: {"fast": SERVED[host]["fast"]}})
    module: Path = served.project.folder / "fastapi_hello/hello.py"
    text = module.read_text()
    module.write_text(f"{text}\n\nraise RuntimeError('this release is broken')\n")
    try:
        error = prov("deploy", host, cwd=served.project.folder, status=1).error()
    finally:
        module.write_text(text)
    assert error["stderr"].rstrip().endswith("RuntimeError: this release is broken")
    assert served.site(host, "fast").up_within(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"app": {"server": "daphne"}}, "'daphne' does not speak wsgi"),
        ({"app": {"interface": "asgi", "server": "uwsgi"}}, "'uwsgi' does not speak asgi"),
        (
            {"app": {"interface": "asgi", "server": "gunicorn"}, "gunicorn": {"worker_class": "sync"}},
            "'sync' does not serve 'flask', which speaks asgi",
        ),
    ],
)
def test_a_server_that_does_not_fit_is_refused_before_the_connection(
    project: Project, change: dict[str, Any], words: str
) -> None:
    shutil.copytree(EXAMPLES / "flask_hello", project.folder / "flask_hello")
    app = {**HELLO, "domains": ["flask.test"], **change.pop("app")}
    roles = ["python", "app"]
    project.inventory({"t-nowhere": {"roles": roles, "apps": {"flask": app}, **change}})
    run = prov("deploy", "t-nowhere", cwd=project.folder, status=2)
    assert any(words in error["message"] for error in run.errors), run.errors
