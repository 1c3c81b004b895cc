"""Applications with databases: by a socket on one host, by certificates or passwords; nothing is ever dropped."""

from __future__ import annotations

import time
from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.databases import sql
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project
from helpers.web import Site

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

WEB, BASE = "t-uses", "t-used"
#: of the server on BASE
DATA = "/var/lib/postgresql/15/main"
#: counts its requests in the database
SHOP = """
import os, psycopg

def app(environ, start_response):
    with psycopg.connect(os.environ["DATABASE_URL"]) as c:
        c.execute("create table if not exists hits (at timestamptz default now())")
        c.execute("insert into hits default values")
        count, who, where = c.execute("select count(*), current_user, current_database() from hits").fetchone()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{count} {who} {where}".encode()]
"""


@pytest.fixture(scope="module")
def project(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    lab_hosts.one(WEB, Kind("debian-13"))
    made = Project(tmp_path_factory.mktemp("uses") / "project")
    (made.folder / "shop").mkdir()
    (made.folder / "shop/shop.py").write_text(SHOP)
    (made.folder / "shop/requirements.txt").write_text("psycopg[binary]\n")
    return made


def inventory(project: Project, name: str = "shop", **settings: Any) -> None:
    app = {"source": "../shop", "target": "shop:app", "domains": ["shop.test"], **settings}
    app.setdefault("uses", {"database": "postgres"})
    variables = {"roles": ["base", "python", "app", "postgres"], "apps": {name: app}}
    project.inventory({WEB: variables}, ansible_connection="lab")


def planned_and_deployed(project: Project, *options: str, hosts: tuple[str, ...] = (WEB,)) -> Run:
    """A plan, and the deploy that does what it said."""
    planned = prov("plan", ",".join(hosts), *options, cwd=project.folder)
    seconds = 200 + 100 * len(hosts)
    run = prov("deploy", ",".join(hosts), *options, cwd=project.folder, timeout=seconds, status=0)
    assert planned.states(*hosts) == run.states(*hosts)
    return run


def databases() -> set[str]:
    return set(sql(WEB, "select datname from pg_database").split()) - {"postgres", "template0", "template1"}


def test_a_database_on_the_same_host(project: Project, lab_hosts: Hosts) -> None:
    host = lab_hosts.one(WEB, Kind("debian-13"))
    inventory(project)
    planned_and_deployed(project)
    assert prov("deploy", WEB, cwd=project.folder, status=0).tally(WEB)["changed"] == 0
    site = Site(host.address, "shop.test", project.ca)
    first = site.get("/").body.decode().split()
    assert first[1:] == ["app-shop", "shop"]
    # no port, no password, and no other user of the host
    assert ":5432" not in on(WEB, "ss", "-Hltn")
    assert "PASSWORD" not in on(WEB, "cat", "/etc/prov/shop.env")
    stranger = ["runuser", "-u", "nobody", "--", "psql", "-d", "shop", "-U", "app-shop", "-c", "select 1"]
    refused = on(WEB, "sh", "-c", '"$@" 2>&1 || true', "sh", *stranger)
    assert "Peer authentication failed" in refused

    # killed, it comes back with all that was in it
    on(WEB, "sh", "-c", "kill -9 $(head -1 /var/lib/postgresql/17/main/postmaster.pid)")
    deadline = time.monotonic() + 20
    while (answer := site.get("/")).status != 200:
        assert time.monotonic() < deadline, answer.body
        time.sleep(0.5)
    assert int(answer.body.split()[0]) > int(first[0])

    # another name is another database; the previous one stays, whatever is undone or pruned
    inventory(project, "store", domains=["store.test"])
    planned_and_deployed(project)
    assert Site(host.address, "store.test", project.ca).get("/").body.decode().endswith("app-store store")
    prov("undo", WEB, cwd=project.folder, timeout=300, status=0)
    assert int(site.get("/").body.split()[0]) > int(answer.body.split()[0])
    project.inventory({WEB: {"roles": ["base", "postgres"]}}, ansible_connection="lab")
    prov("deploy", WEB, "--prune", cwd=project.folder, timeout=300, status=0)
    assert databases() == {"shop", "store"}


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


#: one migration, and one that comes later
MIGRATION = """
from alembic import op
revision, down_revision = {own!r}, {before!r}
def upgrade():
    op.execute("create table {own} (x int)")
"""
ENV = """
import os
from alembic import context
from sqlalchemy import create_engine
with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_alembic_asks_the_database(project: Project, lab_hosts: Hosts) -> None:
    lab_hosts.one(WEB, Kind("debian-13"))
    shop = project.folder / "shop"
    (shop / "migrations/versions").mkdir(parents=True)
    (shop / "shop.py").write_text(SHOP.replace('os.environ["DATABASE_URL"]', ""))
    (shop / "requirements.txt").write_text("psycopg[binary]\nalembic\n")
    (shop / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (shop / "migrations/env.py").write_text(ENV)
    (shop / "migrations/versions/first.py").write_text(MIGRATION.format(own="first", before=None))
    chore = ["alembic", "upgrade", "head"]

    def migrated(name: str) -> None:
        inventory(project, uses={"database": {"postgres": None, "name": name}}, release=[" ".join(chore)])
        run = planned_and_deployed(project)
        (state,) = [each["state"] for each in run.steps(WEB) if each["step"].endswith(" ".join(chore))]
        assert state == "changed"
        assert sql(WEB, "select version_num from alembic_version", database=name) == "first"
        assert prov("deploy", WEB, cwd=project.folder, status=0).tally(WEB)["changed"] == 0

    migrated("shop")
    # another one; one that is lost; one that is older
    migrated("other")
    sql(WEB, "drop database other with (force)")
    migrated("other")
    sql(WEB, "drop table first", "delete from alembic_version", database="other")
    migrated("other")


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
