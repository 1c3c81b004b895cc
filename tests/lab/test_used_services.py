"""Applications with databases: by a socket on one host, by certificates or passwords; nothing is ever dropped."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.cli import prov
from helpers.databases import sql
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project
from helpers.used import WEB, inventory, planned_and_deployed, shop_on
from helpers.web import Site

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

BASE = "t-used"
#: of the server on BASE
DATA = "/var/lib/postgresql/15/main"


@pytest.fixture(scope="module")
def project(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return shop_on(lab_hosts, WEB, tmp_path_factory.mktemp("uses"))


def test_a_database_on_another_host(project: Project, lab_hosts: Hosts) -> None:
    hosts = lab_hosts.up({WEB: Kind("debian-13"), BASE: Kind()})
    app = {"source": "../shop", "target": "shop:app", "domains": ["shop.test"]}
    web = {
        "roles": ["base", "python", "app"],
        "apps": {"shop": {**app, "uses": {"database": {"postgres": BASE}}}},
    }
    project.inventory({WEB: web, BASE: {"roles": ["postgres"]}}, ansible_connection="lab")
    planned_and_deployed(project, hosts=(WEB, BASE))
    # undone, the server runs as its package has made it, and the next deploy does all of that again
    prov("undo", BASE, cwd=project.folder, timeout=200, status=0)
    assert on(BASE, "systemctl", "is-active", "postgresql@15-main") == "active"
    assert on(BASE, "grep", "-c", "ssl", f"{DATA}/postgresql.auto.conf", check=False) == "0"
    assert prov("deploy", BASE, cwd=project.folder, timeout=200, status=0).tally(BASE)["changed"]
    again = prov("deploy", "tests", cwd=project.folder, timeout=200, status=0)
    assert [again.tally(name)["changed"] for name in (WEB, BASE)] == [0, 0]

    site = Site(hosts[WEB].address, "shop.test", project.ca)
    assert site.get("/").body.decode().split()[1:] == ["app-shop", "shop"]
    assert "PASSWORD" not in on(WEB, "cat", "/etc/prov/shop.env")
    # it listens at its own address alone, and lets no one in without the application's certificate
    assert {line.split()[3] for line in on(BASE, "ss", "-Hltn", "sport = 5432").splitlines()} == {
        f"{hosts[BASE].address}:5432"
    }
    name = f"host={BASE}.prov.internal user=app-shop dbname=shop"
    python = ["/srv/shop/current/.venv/bin/python", "-c", "import psycopg, sys; psycopg.connect(sys.argv[1])"]
    for options, why in (
        ("sslmode=require", "valid client certificate"),
        ("sslmode=disable", "no pg_hba.conf entry"),
    ):
        refused = on(WEB, "sh", "-c", '"$@" 2>&1 || true', "sh", *python, f"{name} {options}")
        assert why in refused

    # restarted under the application
    on(BASE, "systemctl", "restart", "postgresql@15-main")
    assert site.get("/").status == 200
    # down: nothing is touched
    on(BASE, "systemctl", "stop", "postgresql@15-main")
    (project.folder / "shop/more.py").write_text("")
    failed = prov("deploy", WEB, cwd=project.folder, timeout=200, status=1)
    assert f"nothing listens on {hosts[BASE].address} port 5432" in str(failed.error())
    assert failed.tally(WEB)["changed"] == 0
    # a deploy of its own host has it run again
    prov("deploy", BASE, cwd=project.folder, timeout=200, status=0)
    assert site.get("/").status == 200
    lab_hosts.down([BASE])
    unreached = prov("deploy", "tests", cwd=project.folder, timeout=200)
    assert unreached.status != 0
    assert unreached.tally(WEB)["changed"] == 0


def password(variable: str = "DATABASE_PASSWORD", app: str = "shop") -> str:
    """What an application logs in with; the file is root's alone."""
    path = f"/etc/prov/{app}.env"
    assert on(WEB, "stat", "-c", "%a %U", path) == "600 root"
    lines = dict(line.split("=", 1) for line in on(WEB, "cat", path).splitlines())
    return lines[variable].strip('"')


def places(host: str, word: str) -> str:
    """Files of a host that have a word in them, its journal among them; a file of its own says what is looked for."""
    on(
        host,
        "sh",
        "-c",
        f"umask 077; printf %s {word[:20]} > /root/word; printf %s {word[20:]} >> /root/word",
    )
    kept = "/etc /var /srv /run/app-shop /root /home /tmp"
    found = on(host, "sh", "-c", f"grep -rlaF --exclude=word -f /root/word {kept} || true")
    told = on(host, "sh", "-c", "journalctl -a --no-pager | grep -cF -f /root/word || true")
    on(host, "rm", "/root/word")
    return f"{found} {told}".strip()


@pytest.mark.at_length
def test_a_password_on_the_same_host(project: Project, lab_hosts: Hosts) -> None:
    host = lab_hosts.one(WEB, Kind("debian-13"))
    inventory(project, uses={"database": {"postgres": None, "auth": "password"}})
    planned_and_deployed(project)
    assert prov("deploy", WEB, cwd=project.folder, status=0).tally(WEB)["changed"] == 0
    site = Site(host.address, "shop.test", project.ca)
    assert site.get("/").body.decode().split()[1:] == ["app-shop", "shop"]
    assert {line.split()[3] for line in on(WEB, "ss", "-Hltn", "sport = 5432").splitlines()} == {
        "127.0.0.1:5432"
    }


@pytest.mark.at_length
def test_a_password_between_hosts(project: Project, lab_hosts: Hosts) -> None:
    hosts = lab_hosts.up({WEB: Kind("debian-13"), BASE: Kind()})
    app = {"source": "../shop", "target": "shop:app", "domains": ["shop.test"]}
    uses = {"database": {"postgres": BASE, "auth": "password"}}
    web = {"roles": ["base", "python", "app"], "apps": {"shop": {**app, "uses": uses}}}
    project.inventory({WEB: web, BASE: {"roles": ["postgres"]}}, ansible_connection="lab")
    site = Site(hosts[WEB].address, "shop.test", project.ca)
    shown = ""

    def deployed() -> str:
        nonlocal shown
        planned = prov("plan", "tests", cwd=project.folder)
        # one host at a time: the server's host asks the other one itself
        run = prov("deploy", "tests", "--forks", "1", cwd=project.folder, timeout=400, status=0)
        assert planned.states(WEB, BASE) == run.states(WEB, BASE)
        assert site.get("/").body.decode().split()[1:] == ["app-shop", "shop"]
        shown += "".join((planned.stdout, planned.stderr, run.stdout, run.stderr))
        return password()

    words = [deployed()]
    rows = sql(BASE, "select type, auth_method from pg_hba_file_rules where user_name = '{app-shop}'")
    assert rows == "hostssl|scram-sha-256"
    # the file is lost: the application's host alone can't help; with the other one, there is a new password
    on(WEB, "rm", "/etc/prov/shop.env")
    failed = prov("deploy", WEB, cwd=project.folder, timeout=200, status=1)
    assert f"prov deploy {BASE},{WEB}" in str(failed.error())
    words.append(deployed())
    # the server no longer knows it: its host alone sets the same one; with the other one, there is a new one
    sql(BASE, 'alter role "app-shop" password null')
    assert prov("deploy", BASE, cwd=project.folder, timeout=200, status=0).tally(BASE)["changed"] == 1
    assert site.get("/").status == 200
    sql(BASE, "alter role \"app-shop\" password 'another'")
    words.append(deployed())
    again = prov("deploy", "tests", cwd=project.folder, timeout=200, status=0)
    assert [again.tally(name)["changed"] for name in (WEB, BASE)] == [0, 0]
    assert len(set(words)) == 3
    assert [word for word in words if word in shown] == []
    assert (places(WEB, words[-1]), places(BASE, words[-1])) == ("/etc/prov/shop.env 0", "0")


CACHE = """
import os, redis

def app(environ, start_response):
    with redis.from_url(os.environ["CACHE_URL"]) as cache:
        count = cache.incr("hits")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(count).encode()]
"""


def counter(project: Project, use: dict[str, Any], *roles: str) -> None:
    """An inventory with an application that counts in a cache, on WEB with these further roles."""
    (project.folder / "counter").mkdir(exist_ok=True)
    (project.folder / "counter/counter.py").write_text(CACHE)
    (project.folder / "counter/requirements.txt").write_text("redis\n")
    app = {"source": "../counter", "target": "counter:app", "domains": ["counter.test"]}
    web = {"roles": ["base", "python", *roles, "app"], "apps": {"counter": {**app, "uses": {"cache": use}}}}
    project.inventory({WEB: web, BASE: {"roles": ["redis"]}}, ansible_connection="lab")


def asked(url: str) -> str:
    """What a client of WEB is told at a URL."""
    asking = "import redis, sys; print(redis.from_url(sys.argv[1]).ping())"
    python = ["/srv/counter/current/.venv/bin/python", "-c", asking, url]
    return on(WEB, "sh", "-c", '"$@" 2>&1 || true', "sh", *python)


@pytest.mark.at_length
def test_a_cache_on_another_host(project: Project, lab_hosts: Hosts) -> None:
    hosts = lab_hosts.up({WEB: Kind("debian-13"), BASE: Kind()})
    counter(project, {"redis": BASE})
    planned_and_deployed(project, hosts=(WEB, BASE))
    again = prov("deploy", "tests", cwd=project.folder, timeout=200, status=0)
    assert [again.tally(name)["changed"] for name in (WEB, BASE)] == [0, 0]

    site = Site(hosts[WEB].address, "counter.test", project.ca)
    first = int(site.get("/").body)
    # what it counted is there after a restart
    on(BASE, "systemctl", "restart", "redis-counter-cache")
    assert int(site.get("/").body) == first + 1
    # no one without a certificate of the authority, and no one without TLS
    (listening,) = on(BASE, "ss", "-Hltnp", "sport >= 26000 and sport <= 31999").splitlines()
    place, port = listening.split()[3].rsplit(":", 1)
    assert (place, "redis" in listening) == (hosts[BASE].address, True)
    secure = f"rediss://{BASE}.prov.internal:{port}/0?ssl_ca_certs=/etc/prov/tls/ca.crt"
    for url in (secure, f"redis://{BASE}.prov.internal:{port}/0"):
        assert "redis.exceptions.ConnectionError" in asked(url)

    # with a password in place of the certificate, it is the same instance
    counter(project, {"redis": BASE, "auth": "password"})
    planned_and_deployed(project, hosts=(WEB, BASE))
    again = prov("deploy", "tests", cwd=project.folder, timeout=200, status=0)
    assert [again.tally(name)["changed"] for name in (WEB, BASE)] == [0, 0]
    assert int(site.get("/").body) > first + 1
    assert "redis.exceptions.AuthenticationError" in asked(secure)
    word = password("CACHE_PASSWORD", "counter")
    assert (places(WEB, word), places(BASE, word)) == ("/etc/prov/counter.env 0", "0")
    assert asked(secure.replace("//", f"//:{word}@")) == "True"


@pytest.mark.at_length
def test_a_cache_with_a_password_on_the_same_host(project: Project, lab_hosts: Hosts) -> None:
    hosts = lab_hosts.up({WEB: Kind("debian-13"), BASE: Kind()})
    counter(project, {"redis": None, "auth": "password"}, "redis")
    planned_and_deployed(project)
    assert prov("deploy", WEB, cwd=project.folder, status=0).tally(WEB)["changed"] == 0
    site = Site(hosts[WEB].address, "counter.test", project.ca)
    first = int(site.get("/").body)
    assert int(site.get("/").body) == first + 1
    (listening,) = on(WEB, "ss", "-Hltn", "sport >= 26000 and sport <= 31999").splitlines()
    place = listening.split()[3]
    assert place.startswith("127.0.0.1:")
    assert "redis.exceptions.AuthenticationError" in asked(f"redis://{place}/0")
