"""Drawn pasts of roles, databases and settings on a PostgreSQL server where others have made some before."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from helpers.databases import asked, servers
from helpers.hosts import Hosts, Kind, on
from helpers.samples import sample
from hypothesis import strategies as st

from provision.secrets import Secret

sys.path.append(str(Path(__file__).parents[1] / "steps_past"))
from inside import Inside
from past import drawn, hold

from provision.steps.apt import Packages
from provision.steps.base import Step
from provision.steps.postgres import (
    Access,
    Database,
    DatabaseRole,
    DefaultPrivileges,
    Extension,
    Grant,
    Owner,
    Setting,
)

pytestmark = pytest.mark.lab
#: image -> the release of PostgreSQL that it has
RELEASES = {"debian-12": "15", "debian-13": "17"}

#: what people have made of a role d_role and a database d_base
ROLES = [
    "",
    "create role d_role",
    "create role d_role superuser createdb nologin noinherit connection limit 3 password 'x' valid until '2031-01-01'",
    "create role d_role login; create role d_other; grant d_other to d_role; create database d_base owner d_role",
]
#: what is wanted of them, and the columns of pg_roles that it is about
WANTED: list[tuple[Step, set[str]]] = [
    (DatabaseRole("d_role"), set()),
    (DatabaseRole("d_role", createdb=True), {"rolcreatedb"}),
    (DatabaseRole("d_role", login=True, superuser=False), {"rolcanlogin", "rolsuper"}),
    (DatabaseRole("d_role", password=Secret("it's \\ ge'heim")), {"rolpassword"}),
    (DatabaseRole("d_role", connection_limit=9, valid_until="infinity"), {"rolconnlimit", "rolvaliduntil"}),
    (DatabaseRole("d_role", member_of=["d_other"]), set()),
    (DatabaseRole("d_role", present=False), set()),
    (DatabaseRole("d_role", present=False, reassign_owned_to="postgres"), set()),
    (Database("d_base"), set()),
    (Database("d_base", owner="d_role", connection_limit=4), set()),
    (Database("d_base", encoding="LATIN1", locale="C"), set()),
    (Database("d_base", present=False), set()),
    (Grant("d_role", ["CONNECT"], "d_base"), set()),
    (Grant("public", ["CONNECT"], "d_base", present=False), set()),
    (Grant("d_role", ["USAGE"], "d_base", on="schema"), set()),
    (DefaultPrivileges("d_role", ["SELECT"], "d_base", owner="postgres"), set()),
    (Owner("d_role", "d_base"), set()),
    (Owner("d_role", "d_base", "tables", names=["t"]), set()),
    (Owner("d_role", "d_base", "tables"), set()),
    (Owner("d_role", "d_base", "sequences", "d_schema"), set()),
    (Grant("d_role", ["SELECT"], "d_base", on="tables", names=["t"]), set()),
    (Grant("d_role", ["SELECT"], "d_base", on="tables", present=False), set()),
    (Grant("d_role", ["USAGE"], "d_base", on="sequences", schema="d_schema"), set()),
    (DefaultPrivileges("d_role", ["SELECT"], "d_base", owner="postgres", schema="d_schema"), set()),
    (Extension("plpgsql", "d_base"), set()),
    (Extension("plpgsql", "d_base", present=False), set()),
    (Setting("work_mem", "5MB"), set()),
    (Setting("search_path", ["a b", "public"]), set()),
    (Setting("work_mem", None), set()),
    (Access(['hostssl "d_base" "d_role" all cert', "local all d_role reject"]), set()),
    (Access([]), set()),
]


@pytest.fixture(scope="module", params=sample(list(RELEASES)[::-1], 2))
def inside(lab_hosts: Hosts, request: pytest.FixtureRequest) -> Inside:
    """A host with a server of PostgreSQL."""
    name = f"t-pg-{request.param}"
    lab_hosts.one(name, Kind(image=request.param))
    found = Inside(lambda *argv: on(name, *argv), servers)
    (made,) = found.run(Packages(["postgresql"]))
    assert made.error is None, made.error
    assert found.tells("ls", "/usr/lib/postgresql").split() == [RELEASES[request.param]]
    return found


#: what they have made in that database
TABLES = ["", "create table t (n serial); create view v as select 1 as n"]
TABLES += [TABLES[1] + "; create schema d_schema; create sequence d_schema.s; grant select on t to d_other"]


@drawn(
    role=st.sampled_from(ROLES),
    base=st.booleans(),
    setting=st.booleans(),
    tables=st.sampled_from(TABLES),
    wanted=st.sampled_from(WANTED),
)
def test_what_others_have_made(
    inside: Inside, role: str, base: bool, setting: bool, tables: str, wanted: tuple[Step, set[str]]
) -> None:
    clean = ["drop database if exists d_base", "drop role if exists d_role", "drop role if exists d_other"]
    made = ["create role d_other"] if "d_other" not in role else []
    made += [each for each in role.split("; ") if each]
    made += ["create database d_base"] if base and "d_base" not in role else []
    made += ["alter system set work_mem = '7MB'"] if setting else []
    words = ["alter system reset all", *clean, *made, "select pg_reload_conf()"]
    within = tables.split("; ") if any("database d_base" in each for each in made) else []
    inside.fresh().does(lambda: ([asked(each) for each in words], [asked(each, "d_base") for each in within]))
    step, about = wanted
    held = hold(inside, step, undone=isinstance(step, (Setting, Access)))
    if held.failed:
        return
    before, after = (
        {found["rolname"]: found for found in map(json.loads, picture["roles"][0])}
        for picture in (held.before, held.after)
    )
    for name in before.keys() & after.keys():
        assert {k for k in before[name] if before[name][k] != after[name][k]} <= about
    others = {"roles", "members"} if isinstance(step, DatabaseRole) else {"bases", "inside"}
    others = {"settings"} if isinstance(step, Setting) else {"hba"} if isinstance(step, Access) else others
    if not isinstance(step, DatabaseRole) or step.present:
        for name in {"roles", "members", "bases", "settings", "hba"} - others:
            assert held.before[name] == held.after[name], name
