"""Applications with a database on their own host: by a socket, as their own user; nothing is ever dropped."""

from __future__ import annotations

import time

import pytest
from helpers.cli import prov
from helpers.databases import sql
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project
from helpers.used import SHOP, WEB, inventory, planned_and_deployed, shop_on
from helpers.web import Site

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def project(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return shop_on(lab_hosts, WEB, tmp_path_factory.mktemp("uses"))


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
