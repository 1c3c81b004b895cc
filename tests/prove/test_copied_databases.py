"""prov db copy between the PostgreSQL servers of two hosts: whole, masked, or not at all."""

from __future__ import annotations

import subprocess

import pytest
from helpers.cli import PROV, prov
from helpers.databases import psql, sql
from helpers.hosts import Hosts, Kind
from helpers.projects import Project

pytestmark = pytest.mark.lab

OURS, THEIRS = "t-copy-prod", "t-copy-stage"
ROWS = "SELECT string_agg(name || ' ' || mail, ', ' ORDER BY id) FROM people"


@pytest.fixture(scope="module")
def environments(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    lab_hosts.up({OURS: Kind(), THEIRS: Kind()})
    project = Project(tmp_path_factory.mktemp("copy") / "project").examples()
    app = '{source: ../flask_hello, target: "hello:app", domains: [hello.test], uses: {database: {postgres: NAME}}}'
    groups = "".join(
        f"{group}:\n  hosts:\n    {name}:\n      apps: {{hello: {app.replace('NAME', name)}}}\n"
        for group, name in (("production", OURS), ("staging", THEIRS))
    )
    text = "all:\n  vars: {ansible_connection: lab, roles: [postgres, python, app]}\n  children:\n"
    text += "".join(f"    {line}\n" for line in groups.splitlines())
    (project.folder / "inventory" / "hosts.yml").write_text(text)
    prov("deploy", "all", "--role", "postgres", cwd=project.folder, timeout=240, status=0)
    for name, person in ((OURS, "ada"), (THEIRS, "test")):
        sql(
            name,
            'SET ROLE "app-hello"',
            "CREATE TABLE people (id serial PRIMARY KEY, name text, mail text)",
            f"INSERT INTO people (name, mail) VALUES ('{person}', '{person}@real.example')",
            database="hello",
        )
    return project


def test_the_copy_is_masked_and_belongs_to_the_application(environments: Project) -> None:
    folder = environments.folder
    (folder / "mask.sql").write_text("UPDATE people SET mail = 'user' || id || '@example.com';\n")
    # a process of the application holds a connection
    session = subprocess.Popen(
        [PROV, "lab", "ssh", THEIRS, "--", *psql("hello", "SELECT pg_sleep(60)")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    copy = ["db copy", "production:hello", "staging:hello", "--yes"]
    prov(*copy, "--mask", "mask.sql", cwd=folder, timeout=120, status=0)
    assert session.wait(timeout=30) != 0
    assert sql(THEIRS, ROWS, database="hello") == "ada user1@example.com"
    assert sql(OURS, ROWS, database="hello") == "ada ada@real.example"
    assert sql(THEIRS, ROWS, database="hello__before") == "test test@real.example"
    owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'people'"
    assert sql(THEIRS, owner, database="hello") == "app-hello"
    again = prov("plan", THEIRS, "--role", "postgres", cwd=folder)
    assert again.tally(THEIRS)["changed"] == 0
    # twice is as good as once
    prov(*copy, "--mask", "mask.sql", cwd=folder, timeout=120, status=0)
    assert sql(THEIRS, ROWS, database="hello") == "ada user1@example.com"


def test_a_mask_that_fails_changes_nothing(environments: Project) -> None:
    folder = environments.folder
    before = sql(THEIRS, ROWS, database="hello")
    (folder / "wrong.sql").write_text("UPDATE peple SET mail = '';\n")
    words = ["db copy", "production:hello", "staging:hello", "--mask", "wrong.sql", "--yes"]
    failed = prov(*words, cwd=folder, timeout=120, status=1)
    assert 'relation "peple" does not exist' in failed.stderr
    assert sql(THEIRS, ROWS, database="hello") == before
    names = sql(THEIRS, "SELECT datname FROM pg_database").split()
    assert not [name for name in names if name.endswith("__copy")]
