"""Bundles of Elastic Beanstalk run on an instance's layout: hooks, Procfile, proxy, jobs; deployed by prov, and asked.

The API is a double (tests/unit/beanstalk_double.py); what it tells instances to do is done on a lab host.
"""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.beanstalk_instance import BeanstalkInstance
from helpers.hosts import Hosts, on
from websockets.sync.client import connect

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from beanstalk_account import BUCKET, ROLE, Account, beanstalk_account, used_by_prov
from beanstalk_double import REGION
from cli_project import Prov, command_line
from inventories import project

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-beanstalk"
CANARY = 'canary-7f3c $x "y"\nsecond line'
SHOP = """
import json, os

def app(environ, start_response):
    broken = environ["PATH_INFO"] == "/healthz" and NOTE == "lies"
    start_response("500 Broken" if broken else "200 OK", [("Content-Type", "application/json")])
    said = {"note": NOTE, "folder": os.getcwd(), "user": os.getuid(), "secret": os.environ["SECRET_KEY"]}
    return [json.dumps({**said, "host": environ["HTTP_HOST"], "path": environ["PATH_INFO"]}).encode()]
"""
#: writes that it has run, and with what
WORK = """
import os, pathlib, sys, time
with open("/tmp/" + sys.argv[1], "a") as f:
    f.write(repr((os.getcwd(), os.getuid(), os.environ["SECRET_KEY"])) + "\\n")
if sys.argv[1] == "worker":
    time.sleep(1000)
if "fails" in sys.argv:
    sys.exit("no such table")
"""
INVENTORY = """
    prod:
      hosts:
        prod:
          platform: elastic_beanstalk
          elastic_beanstalk: {region: %(region)s, bucket: %(bucket)s, service_role: "%(role)s", instance_profile: web}
          apps:
            shop:
              source: ../shop
              target: shop:app
              domains: [shop.test]
              health: /healthz
              start_timeout: 10
              secrets: {SECRET_KEY: %(secret)s}
              static: {/static/: assets, /robots.txt: assets/robots.txt}
              processes: {worker: python work.py worker}
              release: [python work.py release%(more)s]
              jobs: {clean: {command: python work.py clean, schedule: yearly}}
    """


LIVE = """
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        said = await receive()
        await send({"type": "websocket.send", "text": said["text"] + " from " + scope["path"]})
        await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"asgi"})
"""
SITE = """
import os
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = os.environ["ALLOWED_HOSTS"].split(",")
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.staticfiles", "django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/tmp/site.db"}}
STATIC_URL, STATIC_ROOT, STATICFILES_DIRS = "/static/", "collected", ["assets"]
"""
URLS = """
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("healthz", lambda request: HttpResponse(f"{User.objects.count()} users"))]
"""
MANAGE = """
import os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
execute_from_command_line(sys.argv)
"""
WSGI = "from django.core.wsgi import get_wsgi_application\napp = get_wsgi_application()\n"


@pytest.fixture(scope="module")
def instance(lab_hosts: Hosts) -> BeanstalkInstance:
    return BeanstalkInstance(lab_hosts, NAME)


@pytest.fixture
def account(instance: BeanstalkInstance, tmp_path: Path) -> Iterator[Account]:
    with beanstalk_account() as server, used_by_prov(server, tmp_path / "cache") as found:
        found.beanstalk.instance, found.beanstalk.address = instance.run, instance.address
        yield found


def write(note: str, more: str = "") -> None:
    values = {"region": REGION, "bucket": BUCKET, "role": ROLE, "secret": json.dumps(CANARY), "more": more}
    files = {"shop/shop.py": f"NOTE = {note!r}\n{SHOP}", "shop/work.py": WORK, "shop/requirements.txt": ""}
    assets = {"shop/assets/a.css": "b{}", "shop/assets/robots.txt": "User-agent: *\n"}
    project(Path(), {"inventory/hosts.yml": INVENTORY % values, **files, **assets})


@pytest.fixture
def prov(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Prov:
    monkeypatch.chdir(tmp_path)
    write("one")
    on(NAME, "sh", "-c", "rm -f /tmp/release /tmp/worker /tmp/clean")
    return command_line(monkeypatch, capsys)


def asked(instance: BeanstalkInstance, path: str, host: str = "shop.test") -> tuple[int, str]:
    """What the instance answers."""
    connection = http.client.HTTPConnection(instance.address, timeout=10)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def lines(name: str) -> list[str]:
    """What a command has written."""
    return on(NAME, "sh", "-c", f"cat /tmp/{name} 2>/dev/null || true").splitlines()


def test_a_bundle_runs_with_all_of_its_parts(prov: Prov, instance: BeanstalkInstance) -> None:
    status, out, err = prov("deploy", "prod")
    assert status == 0, out + err
    user = int(on(NAME, "id", "-u", "webapp"))
    status, text = asked(instance, "/some/where")
    said = json.loads(text)
    assert (status, said["note"], said["folder"], said["user"]) == (200, "one", "/var/app/current", user)
    assert (said["secret"], said["host"], said["path"]) == (CANARY, "shop.test", "/some/where")
    # a load balancer asks by address
    assert json.loads(asked(instance, "/healthz", "10.0.0.1")[1])["host"] == "shop.test"
    assert asked(instance, "/static/a.css") == (200, "b{}")
    assert asked(instance, "/robots.txt") == (200, "User-agent: *\n")
    assert lines("release") == [repr(("/var/app/staging", user, CANARY))]
    assert lines("worker") == [repr(("/var/app/current", user, CANARY))]
    assert "prov-job-clean.timer" in on(NAME, "systemctl", "list-timers", "--all")
    on(NAME, "systemctl", "start", "prov-job-clean.service")
    assert lines("clean") == [repr(("/var/app/current", user, CANARY))]
    assert on(NAME, "stat", "-c", "%a %U", "/var/lib/prov/environment") == "600 root"
    # on the instance alone, for root alone
    found = on(NAME, "sh", "-c", "grep -rlF canary-7f3c /var/app /etc /var/lib/prov /var/log || true")
    assert found.splitlines() == ["/var/lib/prov/environment"]
    assert "127.0.0.1:8000" in on(NAME, "ss", "-ltnH", "sport = :8000")


def test_a_release_that_fails_on_the_instance_is_gone_back_from(
    prov: Prov, instance: BeanstalkInstance
) -> None:
    assert prov("deploy", "prod")[0] == 0
    write("two", " fails")
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "no such table" in out and "it went back to release" in out, out
    assert json.loads(asked(instance, "/")[1])["note"] == "one"
    write("lies")
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "the health path answers 500" in out and "it went back to release" in out, out
    assert json.loads(asked(instance, "/")[1])["note"] == "one"
    write("three")
    assert prov("deploy", "prod")[0] == 0
    assert json.loads(asked(instance, "/")[1])["note"] == "three"
    assert prov("rollback", "prod")[0] == 0
    assert json.loads(asked(instance, "/")[1])["note"] == "one"


def test_an_instance_that_is_not_the_leader_runs_neither_commands_nor_jobs(
    prov: Prov, instance: BeanstalkInstance
) -> None:
    assert prov("deploy", "prod")[0] == 0
    assert len(lines("release")) == 1
    instance.leader = False
    write("two")
    assert prov("deploy", "prod")[0] == 0
    instance.leader = True
    assert json.loads(asked(instance, "/")[1])["note"] == "two"
    assert len(lines("release")) == 1
    assert "prov-job-clean" not in on(NAME, "systemctl", "list-timers", "--all")
    assert on(NAME, "sh", "-c", "ls /etc/systemd/system/prov-job-* 2>/dev/null || true") == ""


def rewrite(removed: str, lines: str, files: dict[str, str]) -> None:
    """Make another application of the one that `write` has written: without these settings, with further ones."""
    file = Path("inventory/hosts.yml")
    kept = [
        line for line in file.read_text().splitlines() if line.split(":")[0].strip() not in removed.split()
    ]
    file.write_text("\n".join([*kept, *(f"          {line}" for line in lines.splitlines()), ""]))
    project(Path(), files)


def test_an_asgi_application_speaks_websockets_behind_the_proxy(
    prov: Prov, instance: BeanstalkInstance
) -> None:
    rewrite("static processes release jobs", "interface: asgi", {"shop/shop.py": LIVE})
    status, out, err = prov("deploy", "prod")
    assert status == 0, out + err
    assert asked(instance, "/") == (200, "asgi")
    with connect(f"ws://{instance.address}/live") as socket:
        socket.send("hello")
        assert socket.recv(timeout=10) == "hello from /live"


def test_static_files_are_collected_and_a_database_is_migrated_before_a_site_serves(
    prov: Prov, instance: BeanstalkInstance
) -> None:
    files = {"settings.py": SITE, "urls.py": URLS, "manage.py": MANAGE, "shop.py": WSGI}
    files |= {"requirements.txt": "django>=4.2,<6\n", "assets/site.css": "c{}"}
    on(NAME, "rm", "-f", "/tmp/site.db")
    settings = "django: {settings: settings}\nstatic: {/static/: collected}"
    rewrite("static processes release jobs", settings, {f"shop/{name}": text for name, text in files.items()})
    status, out, err = prov("deploy", "prod")
    assert status == 0, out + err
    assert asked(instance, "/healthz", "10.0.0.1") == (200, "0 users")
    assert asked(instance, "/static/site.css") == (200, "c{}")
