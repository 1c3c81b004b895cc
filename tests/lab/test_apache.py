"""Apache alone can do, or does in its own way: mod_wsgi, Django's users, a swap of fronts, a bad snippet.

What both fronts do for the same inventory is in test_fronts.py.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, on
from helpers.projects import EXAMPLES, Project
from helpers.web import Site, Visitors
from websockets.sync.client import connect

from provision import lab

pytestmark = pytest.mark.lab

COMMON: dict[str, Any] = {"front": "apache", "health": "/healthz", "static": {"/static/": "static"}}
HELLO: dict[str, Any] = {
    **COMMON,
    "source": "../flask_hello",
    "target": "hello:app",
    "server": "mod_wsgi",
    "domains": ["hello.test"],
    "cache": {"paths": ["/kept"], "seconds": 600},
}
FAST: dict[str, Any] = {
    **COMMON,
    "source": "../fastapi_hello",
    "target": "hello:app",
    "interface": "asgi",
    "domains": ["fast.test"],
    "streams": ["/events"],
    "workers": 1,
}
POLLS: dict[str, Any] = {
    **COMMON,
    "source": "../django_polls",
    "target": "polls_site.wsgi:application",
    "server": "mod_wsgi",
    "domains": ["polls.test"],
    "django": {"settings": "polls_site.settings"},
    "auth": {"by": "django", "paths": ["/1", "/static/admin/", "/orders/"], "groups": ["the staff"]},
    "static": {"/static/": "static", "/": "pages"},
    "routes": ["/1", "/healthz"],
    "redirects": ["www.polls.test"],
    "headers": {"X-Frame-Options": "DENY", "X-Odd": 'a "$b" %{c} \\d'},
    "allow": {"/1/office/": ["192.0.2.0/24"]},
    "deny": {"/orders/denied/": ["0.0.0.0/0"]},
    "snippets": ["../own.conf"],
}
OLD, NEW = "t-apache12", "t-apache13"
SERVED = {OLD: {"polls": POLLS}, NEW: {"hello": HELLO, "fast": FAST}}
EVERY_HOST = pytest.mark.parametrize("name", SERVED)
PEOPLE = """
import django; django.setup()
from django.contrib.auth.models import Group, User
staff = Group.objects.create(name="the staff")
for name in ("ada", "bob", "eve"):
    user = User.objects.create_user(name, password="sesame", is_active=name != "eve")
    user.groups.set([] if name == "bob" else [staff])
"""

OTHER_PASSWORD = """
import django; django.setup()
from django.contrib.auth.models import User
user = User.objects.get(username="ada")
user.set_password("other")
user.save()
"""


@dataclass(frozen=True)
class Served:
    """Both hosts behind Apache. planned, first, second: the runs that made them so."""

    project: Project
    hosts: dict[str, lab.LabHost]
    planned: Run
    first: Run
    second: Run

    def site(self, name: str, app: str) -> Site:
        return Site(self.hosts[name].address, f"{app}.test", self.project.ca)

    def inventory(self, changes: dict[str, Any] | None = None, *roles: str) -> None:
        """Write the inventory. changes: to the settings of the new host's applications."""
        apps = {name: {"apps": apps} for name, apps in SERVED.items()}
        apps[NEW] = {"apps": {app: {**settings, **(changes or {})} for app, settings in SERVED[NEW].items()}}
        self.project.inventory(apps, ansible_connection="lab", roles=["python", "app", *roles])

    def deploy(self, status: int = 0) -> Run:
        return prov("deploy", NEW, cwd=self.project.folder, status=status)


def as_polls(code: str) -> None:
    """Run Python as the application polls does."""
    user = "setpriv --reuid app-polls --regid app-polls --clear-groups"
    settings = "set -a; . /etc/prov/polls.env; cd /srv/polls/current"
    on(OLD, "sh", "-c", f"{settings}; exec {user} .venv/bin/python -c '{code}'")


@pytest.fixture(scope="module")
def served(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = Project(tmp_path_factory.mktemp("apache"))
    for example in ("flask_hello", "fastapi_hello", "django_polls"):
        ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*", "secret_key")
        shutil.copytree(EXAMPLES / example, project.folder / example, ignore=ignored)
    pages = project.folder / "django_polls/pages"
    (pages / "orders").mkdir(parents=True)
    (pages / "index.html").write_text("<title>the page</title>")
    (pages / "orders/list-DiwrgTda.js").write_text("of the first release\n")
    # some projects hold what their authors have collected, in the folder that collectstatic fills
    committed = project.folder / "django_polls/static/admin/css/committed.css"
    committed.parent.mkdir(parents=True)
    committed.write_text("/* collected long ago */\n")
    (project.folder / "own.conf").write_text('<Location "/1/snippet">\n    Require all denied\n</Location>\n')
    source = project.folder / "flask_hello/hello.py"
    source.write_text(source.read_text() + '\n\n@app.get("/kept")\ndef kept():\n    return "first"\n')
    hosts = lab_hosts.up({OLD: Kind(), NEW: Kind("debian-13")})
    Served(project, hosts, *[Run([], 0, "", "")] * 3).inventory()
    planned = prov("plan", "tests", cwd=project.folder)
    first = prov("deploy", "tests", cwd=project.folder, timeout=400)
    second = prov("deploy", "tests", cwd=project.folder)
    as_polls(PEOPLE)
    yield Served(project, hosts, planned, first, second)


@EVERY_HOST
def test_a_deploy_does_what_the_plan_said_and_a_second_one_nothing(served: Served, name: str) -> None:
    def told(run: Run) -> list[tuple[Any, ...]]:
        return [
            (s["step"], "changed" if s["state"] == "maybe" else s["state"], s["diff"])
            for s in run.steps(name)
        ]

    assert served.first.not_in(name, "ok", "changed") == []
    assert told(served.planned) == told(served.first)
    assert served.second.not_in(name, "ok") == []


@EVERY_HOST
def test_what_runs_is_hardened(served: Served, name: str) -> None:
    script = (
        "for u in apache2.service $(systemctl list-units --plain --no-legend 'app-*@*.service' 'auth-*@*.service'"
        " | cut -d' ' -f1); do systemd-analyze security --no-pager $u | tail -1; done"
    )
    exposures = [float(line.split(": ")[1].split()[0]) for line in on(name, "sh", "-c", script).splitlines()]
    # its parent is root for the ports and keys, may change users, and talks to everyone
    assert exposures[0] <= 2.2
    assert len(exposures) == 3 and max(exposures[1:]) <= 1.5


def test_mod_wsgi_is_behind_the_socket_that_all_servers_have(served: Served) -> None:
    site = served.site(NEW, "hello")
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
    told = site.get("/whoami", headers=forged).json()
    assert (told["scheme"], told["host"]) == ("https", "hello.test")
    assert told["client"] not in ("192.0.2.1", "127.0.0.1")
    assert on(NEW, "sh", "-c", "stat -c '%a %U %G' /run/app-hello/*.sock") == "660 root www-data"
    assert on(NEW, "pgrep", "-fc", "wsgi:app") == str(int(on(NEW, "nproc")) + 1)
    # each would be a second one behind the socket
    kept = [
        line
        for line in on(NEW, "ss", "-Hxn", "state", "established").splitlines()
        if "/run/app-hello/" in line
    ]
    assert kept, "the front has closed its connection"


def test_a_crash_of_mod_wsgi_is_mended(served: Served) -> None:
    (unit,) = on(
        NEW, "sh", "-c", "systemctl list-units --plain --no-legend 'app-hello@*.service' | cut -d' ' -f1"
    ).split()
    pid = on(NEW, "systemctl", "show", "-P", "MainPID", unit)
    on(NEW, "kill", "-9", pid)
    end = time.monotonic() + 15
    while on(NEW, "systemctl", "show", "-P", "MainPID", unit) in ("0", pid):
        assert time.monotonic() < end, f"{unit} does not start again"
        time.sleep(0.2)
    assert served.site(NEW, "hello").up_within(15)


def test_websockets_and_events(served: Served) -> None:
    site = served.site(NEW, "fast")
    with connect("ws://fast.test/echo", sock=site.connected(10), close_timeout=5) as client:
        client.send("hello")
        assert client.recv(10) == "hello"
    times = site.arrivals("/events")
    assert len(times) == 10 and times[4] - times[0] > 1.5


def test_djangos_users_and_groups_are_asked_for_static_files_as_well(served: Served) -> None:
    site = served.site(OLD, "polls")
    style = "/static/admin/css/base.css"
    # the last one: what the application would take for the same place
    for path in ("/1", "/1/results/", style, "/1%2Fresults/"):
        answer = site.get(path)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="Restricted"'), path
    assert site.get("/x/..%2f1/").status == 400
    statuses = {
        login: site.get("/1/", login=login).status
        for login in ("ada:sesame", "ada:guess", "bob:sesame", "eve:sesame", "zoe:sesame")
    }
    assert statuses == {
        "ada:sesame": 200,
        "ada:guess": 401,
        "bob:sesame": 401,
        "eve:sesame": 401,
        "zoe:sesame": 401,
    }
    guarded = site.get(style, login="ada:sesame", headers={"Accept-Encoding": "gzip"})
    assert (guarded.status, guarded.headers["Cache-Control"]) == (200, "private")
    assert (site.get("/").status, site.get("/healthz").status) == (200, 200)


def test_what_the_inventory_asks_of_fronts_holds_behind_djangos_users(served: Served) -> None:
    site, login = served.site(OLD, "polls"), "ada:sesame"
    for path in ("/orders/5", "/orders/", "/orders/a/b.c"):
        assert site.get(path).status == 401, path
        page = site.get(path, login=login)
        assert (page.status, page.title, page.headers["Cache-Control"]) == (200, "the page", "private"), path
    statuses = {
        "/orders/gone.js": 404,
        "/orders/denied/x": 403,
        "/1/office/x": 403,
        "/1/snippet": 403,
        "/1/": 200,
        "/orders/list-DiwrgTda.js": 200,
    }
    assert {path: site.get(path, login=login).status for path in statuses} == statuses
    said = {"X-Forwarded-For": "192.0.2.1", "Upgrade": "websocket", "Connection": "Upgrade"}
    assert site.get("/1/office/x", login=login, headers=said).status == 403
    for path in (*statuses, "/orders/5"):
        for each in (login, ""):
            headers = site.get(path, login=each).headers
            assert (headers["X-Frame-Options"], headers["X-Odd"]) == ("DENY", 'a "$b" %{c} \\d'), path
    answer = served.site(OLD, "www.polls").get("/orders/5?a=b")
    assert (answer.status, answer.headers["Location"]) == (308, "https://polls.test/orders/5?a=b")
    # a page that was open before a deploy asks for what it came with
    folder = served.project.folder / "django_polls/pages/orders"
    (folder / "list-DiwrgTda.js").rename(folder / "list-B8yvqbWZ.js")
    prov("deploy", OLD, cwd=served.project.folder, status=0)
    for name in ("list-DiwrgTda.js", "list-B8yvqbWZ.js"):
        assert site.get(f"/orders/{name}").status == 401
        assert site.get(f"/orders/{name}", login=login).body == b"of the first release\n"


@pytest.mark.trust("4", "guard-runs-project-code")
def test_the_projects_code_runs_without_the_fronts_group(served: Served) -> None:
    """That group may read what other applications keep, and connect to their sockets."""
    pids = on(OLD, "pgrep", "-u", "app-polls").split()
    assert len(pids) > 3
    groups = {on(OLD, "sh", "-c", f"grep ^Groups: /proc/{pid}/status || true") for pid in pids}
    front = on(OLD, "getent", "group", "www-data").split(":")[2]
    assert not any(front in line.split() for line in groups), groups
    sockets = on(OLD, "sh", "-c", "stat -c '%a %U %G' /run/app-polls/*.sock /run/auth-polls/*.sock").split(
        "\n"
    )
    assert set(sockets) == {"660 app-polls www-data", "660 root www-data"}


def test_a_password_that_has_changed_is_asked_for_at_once(served: Served) -> None:
    site = served.site(OLD, "polls")
    assert site.get("/1/", login="ada:sesame").status == 200
    as_polls(OTHER_PASSWORD)
    assert site.get("/1/", login="ada:sesame").status == 401
    assert site.get("/1/", login="ada:other").status == 200


def test_a_deploy_loses_no_request_and_leaves_what_was_cached(served: Served) -> None:
    site = served.site(NEW, "hello")
    assert [site.get("/kept").text for _ in range(2)] == ["first", "first"]
    assert site.get("/kept").headers["X-Cache"].startswith("HIT")
    source = served.project.folder / "flask_hello/hello.py"
    source.write_text(source.read_text().replace('return "first"', 'return "second"'))
    with Visitors(site) as visitors:
        served.deploy()
    assert len(visitors.answers) > 20
    assert [answer for answer in visitors.answers if answer != 200] == []
    answer = site.get("/kept")
    assert (answer.text, answer.headers["X-Cache"].split()[0]) == ("second", "MISS")
    assert on(NEW, "sh", "-c", "ls /var/cache/apache2/prov/hello | wc -l") == "1"


def test_a_bad_snippet_touches_nothing(served: Served) -> None:
    body = """
    conf = configuration.configuration(
        c, "/etc/apache2", {"conf-enabled/own.conf": WORDS}, check_with=["apache2", "-t"]
    )
    systemd.service(c, "apache2", reload_on=[conf])
    """
    head = "from provision.steps import configuration\nAFTER = ('apache',)\nWORDS = {!r}"
    served.inventory(None, "own")
    served.project.role("own", body, head=head.format("Redirekt /old /new\n"))
    run = served.deploy(status=1)
    assert "Invalid command 'Redirekt'" in run.error()["stderr"]
    assert served.site(NEW, "hello").get().status == 200
    on(
        NEW,
        "sh",
        "-c",
        "apache2 -t && ! test -e /etc/apache2/conf-enabled/own.conf && ls -d /run/prov-* && exit 1; :",
    )

    good = 'Header always set X-Own "yes"\n'
    served.project.role("own", body, head=head.format(good))
    served.deploy()
    assert served.site(NEW, "hello").get().headers["X-Own"] == "yes"
    # what someone puts there by hand is judged with all the rest, before a reload
    on(NEW, "sh", "-c", "echo Redirekt >/etc/apache2/conf-enabled/zz-hand.conf")
    served.project.role("own", body, head=head.format(good + "# again\n"))
    run = served.deploy(status=1)
    assert "zz-hand.conf" in run.error()["stderr"]
    assert "again" not in on(NEW, "cat", "/etc/apache2/conf-enabled/own.conf")
    on(NEW, "rm", "/etc/apache2/conf-enabled/zz-hand.conf", "/etc/apache2/conf-enabled/own.conf")
    served.inventory()


def state(unit: str) -> list[str]:
    return on(NEW, "sh", "-c", f"systemctl is-active {unit}; systemctl is-enabled {unit}; :").split()


def test_the_front_is_swapped_by_one_line_and_back(served: Served) -> None:
    site = served.site(NEW, "hello")
    for front, unit, other in (("nginx", "nginx", "apache2"), ("apache", "apache2", "nginx")):
        served.inventory({"front": front, "cache": None})
        with Visitors(site) as visitors:
            began = time.monotonic()
            served.deploy()
        assert time.monotonic() - began < 60
        assert state(unit) == ["active", "enabled"]
        assert state(other) == ["inactive", "disabled"]
        # the ports change hands: a moment in which no one answers
        assert visitors.silence < 10
        assert site.get().headers["Server"].lower().startswith(unit.removesuffix("2"))
        assert "app-hello" not in on(NEW, "ls", f"/etc/{other}/sites-enabled")
        assert "hello.conf" not in on(NEW, "ls", "-A", f"/etc/{other}/sites-enabled").split()
    assert served.deploy().not_in(NEW, "ok") == []


def test_a_boot_brings_everything_back(served: Served) -> None:
    body = 'reboot.reboot(c, "to see what comes back")'
    served.project.role("boot", body, head="from provision.steps import reboot\nAFTER = ('apache',)")
    served.inventory({"cache": None}, "boot")
    served.deploy()
    for app in ("hello", "fast"):
        assert served.site(NEW, app).get().status == 200
    served.inventory({"cache": None})
    assert served.deploy().not_in(NEW, "ok") == []
    lines = on(NEW, "cat", "/var/log/apache2/access.log").splitlines()
    assert {"client", "status", "cache"} <= set(json.loads(lines[-1]))
