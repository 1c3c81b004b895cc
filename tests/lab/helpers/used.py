"""An application with a database, and inventories that give it one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind
from helpers.projects import Project

WEB = "t-uses"
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


def shop_on(hosts: Hosts, name: str, folder: Path) -> Project:
    """Boot a host, and return a project with the application."""
    hosts.one(name, Kind("debian-13"))
    made = Project(folder / "project")
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
