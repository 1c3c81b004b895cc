"""Every application server with an example behind nginx: what is served and seen, and what happens on bad days."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, on, reboot
from helpers.projects import EXAMPLES, Project
from helpers.web import Site
from websockets.asyncio.client import connect

from provision import lab

pytestmark = pytest.mark.lab

LARGE = os.urandom(20 << 20)
COMMON: dict[str, Any] = {"static": {"/static/": "static"}, "health": "/healthz", "max_body": "30m"}
HELLO = {**COMMON, "source": "../flask_hello", "target": "hello:app"}
ASGI = {**COMMON, "interface": "asgi", "streams": ["/events"], "workers": 1}
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

    def asked(self, host: str, app: str) -> Client:
        settings = SERVED[host][app]
        site = Site(self.hosts[host].address, settings["domains"][0], self.project.ca)
        return Client(site, settings.get("path", "/").rstrip("/"), settings.get("tls") != "none")


@dataclass(frozen=True)
class Client:
    """Asks one application, through the front."""

    site: Site
    prefix: str
    tls: bool

    def connected(self) -> socket.socket:
        return self.site._connected(20, tls=self.tls)

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection(self.site.domain, timeout=20)
        connection.sock = self.connected()
        try:
            method = "GET" if body is None else "POST"
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, self.prefix + path, body, named)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    async def said(self, path: str, word: str, visitors: int) -> list[str]:
        """What WebSockets on pages of this site hear when the first of them says something. Not with websockets' own
        threads: CPython 3.11 loses data when one reads from a TLS socket to which another one writes."""
        scheme = "s" if self.tls else ""
        context = ssl.create_default_context(cafile=str(self.site.ca)) if self.tls else None
        async with contextlib.AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(
                    connect(
                        f"ws{scheme}://{self.site.domain}{self.prefix}{path}",
                        host=self.site.address,
                        origin=f"http{scheme}://{self.site.domain}",  # type: ignore[arg-type]
                        ssl=context,
                    )
                )
                for _ in range(visitors)
            ]
            await sockets[0].send(word)
            return [str(await asyncio.wait_for(each.recv(), 10)) for each in sockets]

    def up_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.ask("/healthz")[0] == 200:
                    return True
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.1)
        return False


class Visitors:
    """Ask for a path over and over while entered. answers: the status of each request, or what went wrong."""

    def __init__(self, client: Client, path: str = "/healthz") -> None:
        self._client = client
        self._path = path
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]
        self.answers: list[Any] = []

    def _ask(self) -> None:
        while not self._over.wait(0.02):
            try:
                self.answers.append(self._client.ask(self._path)[0])
            except (OSError, http.client.HTTPException) as error:
                self.answers.append(error)

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def lost(self) -> list[Any]:
        return [answer for answer in self.answers if answer != 200]


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
    client = served.asked(host, app)
    status, page = client.ask("/")
    assert status == 200
    assert f"<title>{TITLES[SERVED[host][app]['source'].removeprefix('../')]}</title>".encode() in page
    address = next(word for word in page.decode().split('"') if word.endswith(".css"))
    path = address.removeprefix(client.prefix) if address.startswith("/") else f"/{address}"
    status, style = client.ask(path)
    assert (status, b"font-family" in style) == (200, True)
    status, answer = client.ask("/upload", LARGE)
    assert status == 200
    assert json.loads(answer) == {"bytes": len(LARGE), "sha256": hashlib.sha256(LARGE).hexdigest()}
    assert client.ask("/upload", LARGE * 2)[0] == 413


@pytest.mark.parametrize(("host", "app"), ALL)
def test_the_application_sees_its_client_and_nobody_who_is_forged(
    served: Served, host: str, app: str
) -> None:
    client = served.asked(host, app)
    forged = {
        "X_Forwarded_For": "198.51.100.7",
        "X_Forwarded_Proto": "gopher",
        "Forwarded": "for=198.51.100.7",
    }
    status, answer = client.ask("/whoami", **forged)
    assert status == 200
    with client.connected() as connection:
        own = connection.getsockname()[0]
    scheme = "https" if client.tls else "http"
    assert json.loads(answer) == {"client": own, "scheme": scheme, "host": client.site.domain}


@pytest.mark.parametrize(("host", "app"), EVENTS)
def test_events_come_as_they_happen(served: Served, host: str, app: str) -> None:
    client = served.asked(host, app)
    connection = http.client.HTTPConnection(client.site.domain, timeout=10)
    connection.sock = client.connected()
    connection.request("GET", f"{client.prefix}/events")
    response = connection.getresponse()
    assert response.headers["Content-Type"].startswith("text/event-stream")
    times = []
    for number in (1, 2, 3):
        assert response.readline() == f"data: {number}\n".encode()
        response.readline()
        times.append(time.monotonic())
    connection.close()
    # half a second apart, where an answer that is held back comes all at once
    assert times[2] - times[0] > 0.6


@pytest.mark.parametrize(("host", "app"), EVENTS)
def test_websockets(served: Served, host: str, app: str) -> None:
    client = served.asked(host, app)
    chat = SERVED[host][app]["source"] == "../django_chat"
    if chat:
        heard = asyncio.run(client.said("/ws/lobby/", json.dumps({"text": "hello"}), visitors=2))
        assert [json.loads(text) for text in heard] == [{"text": "hello"}] * 2
    else:
        assert asyncio.run(client.said("/echo", "hello", visitors=1)) == ["hello"]


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
    client, (unit, *_) = served.asked(host, app), units(host, app)
    with Visitors(client) as visitors:
        on(host, "systemctl", "reload-or-restart", unit)
        time.sleep(0.5)
    assert len(visitors.answers) > 2
    if SERVED[host][app]["server"] != "hypercorn":
        # it closes connections that have just come when it is told to end (docs/servers.md)
        assert visitors.lost == []
    script = f"p=$(systemctl show -P MainPID {unit}); kill -9 $p; sleep 1.5; echo $p; systemctl show -P MainPID {unit}"
    before, after = on(host, "sh", "-c", script).split()
    assert client.up_within(15)
    assert after not in ("0", before)


def test_a_reboot_brings_everything_back(served: Served) -> None:
    reboot(*SERVED)
    for host, app in ALL:
        assert served.asked(host, app).up_within(60), (host, app)
    for host in SERVED:
        assert prov("deploy", host, cwd=served.project.folder).not_in(host, "ok") == []


# -- changed


@pytest.mark.parametrize(
    "change",
    [
        {"server": "uwsgi"},
        {"server": "uvicorn", "interface": "asgi", "target": "polls_site.asgi:application"},
        {"server": "daphne", "interface": "asgi", "target": "polls_site.asgi:application"},
    ],
    ids=lambda change: change["server"],
)
def test_another_server_takes_over_without_a_lost_request(served: Served, change: dict[str, Any]) -> None:
    host, client = "t-sv12", served.asked("t-sv12", "polls")
    changed = {**SERVED[host], "polls": {**SERVED[host]["polls"], **change, "workers": 1}}
    inventory(served.project, {host: changed})
    before = units(host, "polls")
    with Visitors(client, "/") as visitors:
        run = prov("deploy", host, cwd=served.project.folder, status=0)
    assert run.not_in(host, "ok", "changed") == []
    assert len(visitors.answers) > 20
    assert visitors.lost == []
    assert client.ask("/whoami")[0] == 200
    (unit,) = units(host, "polls")
    assert unit not in before
    assert on(host, "systemctl", "show", "-P", "Description", unit).startswith(f"polls by {change['server']}")
    assert unit_files(host, "polls") == [unit, unit.replace(".service", ".socket")]
    assert on(host, "ls", "/run/app-polls").split() == [f"{unit.split('@')[1].removesuffix('.service')}.sock"]
    assert prov("deploy", host, cwd=served.project.folder, status=0).tally(host)["changed"] == 0


# -- bad input


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no module": ({"target": "nowhere:app"}, "No module named 'nowhere'"),
    "no name": ({"target": "hello:nothing"}, "hello:nothing: there is no such name in it"),
    "not callable": ({"target": "hello:__doc__"}, "which can't be called"),
    "wsgi as asgi": (
        {"server": "uvicorn", "interface": "asgi"},
        "hello:app takes (environ, start_response): it speaks wsgi; set `interface: wsgi`",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be_served_is_told_of_and_what_ran_runs(served: Served, mistake: str) -> None:
    host, client = "t-sv13", served.asked("t-sv13", "flask")
    change, words = MISTAKES[mistake]
    before = units(host, "flask")
    inventory(served.project, {host: {"flask": {**SERVED[host]["flask"], **change}}})
    with Visitors(client) as visitors:
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
    assert served.asked(host, "fast").up_within(1)


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
