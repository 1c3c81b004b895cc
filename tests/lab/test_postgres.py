"""Steps of PostgreSQL on servers that are bare, and on servers with a past: 17 on Debian 13, and with
`make prove` 15 on Debian 12."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.databases import sql
from helpers.hosts import Hosts, Kind, on
from helpers.samples import sample
from helpers.stepping import exact

from provision.lab import openssh
from provision.secrets import Secret

sys.path.append(str(Path(__file__).parents[1] / "steps_more"))
from steps_bench import Bench

from provision.steps.apt import Packages
from provision.steps.base import Step
from provision.steps.command import Command
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
from provision.steps.support.psql import scram
from provision.steps.undo import Undo

pytestmark = [pytest.mark.lab, pytest.mark.minutes]
VERSIONS = {"t-pg15": "debian-12", "t-pg17": "debian-13"}
PASSWORD = "it's \\ ge'heim"
ODD = 'Ab "c" \\ d\'e $f'

#: what people have made by hand
PAST = """
create role boss superuser createdb createrole replication bypassrls noinherit connection limit 7
  password 'x' valid until '2031-02-03 04:05:06+00';
create role owns; create role heir; create role reader; create role writer in role reader; create role watcher login;
create table mine (x int); alter table mine owner to owns;
create database old encoding 'LATIN1' locale 'C' template template0;
"""
INSIDE = """
create schema sales; create table orders (x int); create table secrets (x int); create sequence numbers;
create function answer() returns int language sql as 'select 42';
grant select, insert on orders to reader; alter table orders owner to owns;
"""


@pytest.fixture(params=sample([*VERSIONS][::-1], 2))
def host(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def bench(host: str, lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    found = lab_hosts.up({host: Kind(VERSIONS[host])})
    bench = Bench(tmp_path)
    bench.argv = openssh.argv(found[host], batch=True)
    yield bench


def login(host: str, role: str, statement: str, password: str = PASSWORD, database: str = "shop") -> str:
    """What psql says over TCP."""
    words = ["-h", "127.0.0.1", "-U", role, "-d", database, "-Atc", statement]
    return on(host, "env", f"PGPASSWORD={password}", "psql", *words, check=False)


def test_a_bare_host_is_planned_as_it_is_then_done(bench: Bench, host: str) -> None:
    steps = (
        Packages(["postgresql"]),
        DatabaseRole("staff", login=False),
        DatabaseRole("shop", password=Secret(PASSWORD)),
        DatabaseRole("report", member_of=["staff"], connection_limit=5),
        Database("shop", owner="shop", connection_limit=20),
        Extension("pg_trgm", "shop"),
        Grant("report", ["CONNECT", "CREATE"], "shop"),
        Grant("public", ["CONNECT", "TEMPORARY"], "shop", present=False),
        Grant("report", ["USAGE"], "shop", on="schema"),
        Grant("report", ["SELECT"], "shop", on="tables"),
        DefaultPrivileges("report", ["SELECT"], "shop", owner="shop"),
        Setting("work_mem", "8MB"),
        Setting("shared_preload_libraries", "pg_stat_statements, auto_explain"),
        Setting("search_path", ["$user", "public"]),
        DatabaseRole(ODD, password=Secret(PASSWORD)),
        Database(ODD, owner=ODD),
        DatabaseRole("temporary"),
        DatabaseRole("temporary", createdb=True),
        DatabaseRole("temporary", present=False),
    )
    planned = bench.run(*steps, *steps[:-3], plan=True)
    assert [o.error for o in planned] == [None] * len(planned)
    real = bench.run(*steps, *steps[:-3])
    assert [o.error for o in real] == [None] * len(real)
    assert [(o.label, o.state, o.diff) for o in planned][1:] == [(o.label, o.state, o.diff) for o in real][1:]
    assert [o.state for o in real][len(steps) :] == ["ok"] * (len(steps) - 3)
    assert sql(host, "show work_mem") == "8MB"
    assert login(host, "shop", "select current_user") == "shop"
    login(host, "shop", "create table t (x int)")
    assert sql(host, "select has_table_privilege('report', 't', 'SELECT')", database="shop") == "t"
    assert login(host, ODD, "select current_user", database=ODD) == ODD


def test_the_server_starts_again_with_lists(bench: Bench, host: str) -> None:
    cluster = f"postgresql@{host[-2:]}-main"
    on(host, "systemctl", "restart", cluster)
    assert on(host, "systemctl", "is-active", cluster) == "active"
    assert sql(host, "show shared_preload_libraries", "show search_path").splitlines() == [
        "pg_stat_statements, auto_explain",
        '"$user", public',
    ]
    missing = Setting("shared_preload_libraries", ["pg_stat_statements", "pg_cron"])
    bench.fails(missing, "PostgreSQL has no library pg_cron here")
    sockets = Setting("unix_socket_directories", ["/var/run/postgresql", "/run/more of it"])
    bench.fails(sockets, "Debian's psql would no longer find the server")
    # written by hand, and equal
    sql(host, "alter system set search_path = '$user', public", "alter system set DateStyle = 'ISO, DMY'")
    bench.settled(Setting("search_path", '"$user",PUBLIC'))
    bench.settled(Setting("DateStyle", "ISO, DMY"))
    for name in ("shared_preload_libraries", "search_path", "datestyle", "work_mem"):
        exact(bench, [Setting(name, None)])
    bench.fails(Setting("no_such", "1"), "PostgreSQL has no setting no_such")
    bench.fails(Setting("work_mem", "much"), "invalid value for parameter", plan=False)


def test_settings_are_undone_and_the_server_reads_what_it_had(bench: Bench, host: str) -> None:
    sql(host, "alter system set work_mem = '7MB'", "select pg_reload_conf()")
    before = auto_conf(host)
    changed = bench.run(Setting("work_mem", "9MB"), Setting("DateStyle", "ISO, YMD"))
    assert [o.state for o in changed] == ["changed"] * 2
    assert sql(host, "show work_mem") == "9MB"
    (planned,) = bench.run(Undo(), plan=True)
    assert sql(host, "show work_mem") == "9MB"
    (undone,) = bench.run(Undo())
    assert (undone.state, undone.diff, undone.why) == ("changed", planned.diff, planned.why), undone.error
    assert [c.what for c in undone.diff] == [f"/var/lib/postgresql/{host[-2:]}/main/postgresql.auto.conf"]
    assert "stays" not in undone.why
    assert auto_conf(host) == before
    wait_until(host, "show work_mem", "7MB")
    # one that came later stands in the way
    bench.run(Setting("work_mem", "9MB"))
    sql(host, "alter system set work_mem = '11MB'")
    bench.fails(Undo(), "postgresql.auto.conf")
    assert sql(host, "alter system set work_mem = '9MB'") == ""
    (undone,) = bench.run(Undo())
    assert undone.error is None
    exact(bench, [Setting("work_mem", None)])


def test_a_server_that_is_down_gets_its_settings(bench: Bench, host: str) -> None:
    cluster = f"postgresql@{host[-2:]}-main"
    sql(host, "alter system set work_mem = '7MB'", "alter system set log_line_prefix = 'it''s \\x %m'")
    on(host, "systemctl", "stop", cluster)
    before = auto_conf(host)
    bench.settled(Setting("log_line_prefix", "it's \\x %m"))
    bench.settled(Setting("Work_Mem", "7MB"))
    steps: list[Step] = [
        Setting("work_mem", None),
        Setting("log_line_prefix", "a'b\\ %m "),
        Setting("search_path", ["$user", "A b"]),
        Access(["local all d_role reject"]),
    ]
    exact(bench, steps)
    on(host, "systemctl", "start", cluster)
    shown = sql(host, "show work_mem", "show log_line_prefix", "show search_path").split("\n")
    assert shown == ["4MB", "a'b\\ %m ", '"$user", "A b"']
    assert "{d_role}" in sql(host, "select user_name from pg_hba_file_rules")
    # as the server would have written it
    bench.settled(steps[2])
    after = auto_conf(host)
    for name, value in (("log_line_prefix", "'a''b\\ %m '"), ("search_path", "'$user', 'A b'")):
        sql(host, f"alter system set {name} = {value}")
    assert auto_conf(host) == after
    # a value with which it does not start is taken back while it is down
    bench.run(Setting("ssl", "on"), Setting("ssl_cert_file", "/etc/ssl/no_such.pem"))
    on(host, "systemctl", "restart", cluster, check=False)
    assert on(host, "systemctl", "is-active", cluster, check=False) == "failed"
    (undone,) = bench.run(Undo())
    assert undone.error is None
    assert auto_conf(host) == after
    (undone,) = bench.run(Undo())
    assert undone.error is None
    assert auto_conf(host) == before
    on(host, "systemctl", "reset-failed", cluster)
    on(host, "systemctl", "start", cluster)
    assert sql(host, "show work_mem") == "7MB"
    sql(host, "alter system reset all", "select pg_reload_conf()")


def auto_conf(host: str) -> list[str]:
    """What ALTER SYSTEM has said, with the file's owner and mode."""
    at = f"/var/lib/postgresql/{host[-2:]}/main/postgresql.auto.conf"
    return [on(host, "stat", "-c", "%a %U:%G", at), on(host, "cat", at)]


def wait_until(host: str, statement: str, answer: str) -> None:
    """Wait for what a reload brings: the server reads its files soon after it is told."""
    deadline = time.monotonic() + 10
    while (said := sql(host, statement)) != answer:
        assert time.monotonic() < deadline, said


def test_what_was_not_asked_about_stays(bench: Bench, host: str) -> None:
    sql(host, *filter(None, PAST.split(";\n")))
    sql(host, *filter(None, INSIDE.split(";\n")), database="shop")
    everything = "select * from pg_authid where rolname = '%s'"
    role = "select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin from pg_authid"
    (changed,) = exact(bench, [DatabaseRole("postgres", password=Secret("hunter22"))])
    assert [c.what for c in changed.diff] == ["password"]
    assert sql(host, role + " where rolname = 'postgres'") == "t|t|t|t|t|t"
    bench.fails(DatabaseRole("postgres", superuser=False), "refusing to take superuser from postgres")
    bench.fails(DatabaseRole("postgres", login=False), "refusing to take login from postgres")
    bench.fails(DatabaseRole("postgres", present=False), "refusing to drop postgres")
    before = sql(host, everything % "boss")
    for step, column, value in (
        (DatabaseRole("boss"), "", ""),
        (DatabaseRole("boss", createdb=False), "rolcreatedb", "f"),
        (DatabaseRole("boss", connection_limit=9), "rolconnlimit", "9"),
        (DatabaseRole("boss", valid_until="infinity"), "rolvaliduntil", "infinity"),
        (DatabaseRole("boss", inherit=True), "rolinherit", "t"),
    ):
        if not column:
            bench.settled(step)
            continue
        was = sql(host, f"select {column} from pg_authid where rolname = 'boss'")
        (changed,) = exact(bench, [step])
        assert len(changed.diff) == 1
        assert sql(host, f"select {column} from pg_authid where rolname = 'boss'") == value
        sql(host, f"update pg_authid set {column} = '{was}' where rolname = 'boss'")
        assert sql(host, everything % "boss") == before
    bench.settled(DatabaseRole("boss", valid_until="2031-02-03 05:05:06+01"))
    bench.settled(Database("old", owner="postgres"))
    bench.fails(Database("old", encoding="UTF8"), "has the encoding LATIN1")
    exact(bench, [Database("old", connection_limit=3)])


def test_a_hash_is_kept_as_it_is(bench: Bench, host: str) -> None:
    ready = scram(PASSWORD, b"0123456789abcdef", 4096)
    old = "md5" + hashlib.md5((PASSWORD + "watcher").encode()).hexdigest()
    for kept in (ready, old):
        (changed,) = exact(bench, [DatabaseRole("watcher", password=Secret(kept))])
        assert kept not in repr(changed.diff)
        assert sql(host, "select rolpassword from pg_authid where rolname = 'watcher'") == kept
        # the same password in the clear is what it is of
        bench.settled(DatabaseRole("watcher", password=Secret(PASSWORD)))
    assert sql(host, "select 1") == "1"


def test_what_is_in_the_way_is_named(bench: Bench, host: str) -> None:
    failed = bench.fails(DatabaseRole("owns", present=False), "owner of table mine")
    assert failed.error is not None and not failed.error.hint
    bench.fails(DatabaseRole("owns", present=False, reassign_owned_to="none"), "PostgreSQL has no role none")
    bench.fails(Database("x", owner="none"), "PostgreSQL has no role none")
    bench.fails(DatabaseRole("x", member_of=["none"]), "PostgreSQL has no role none")
    bench.fails(Extension("no_such", "shop"), "PostgreSQL has no extension no_such")
    bench.fails(Extension("pg_trgm", "shop", version="0.1"), "not available in version 0.1: ")
    bench.fails(Extension("pg_trgm", "none"), 'database "none" does not exist')
    bench.fails(Grant("reader", ["SELECT"], "shop", on="tables", names=["nope"]), "has no tables: nope")
    (changed,) = exact(bench, [DatabaseRole("owns", present=False, reassign_owned_to="heir")])
    assert [c[:3] for c in changed.diff] == [
        ("what it has in postgres", "", "given to heir"),
        ("what it has in shop", "", "given to heir"),
        ("role", "owns", ""),
    ]
    assert sql(host, "select tableowner from pg_tables where tablename = 'mine'") == "heir"
    exact(bench, [DatabaseRole("heir", present=False, drop_owned=True)])
    assert sql(host, "select count(*) from pg_tables where tablename = 'mine'") == "0"


@pytest.mark.at_length
def test_privileges_come_and_go(bench: Bench, host: str) -> None:
    sql(
        host,
        "create table orders (x int)",
        "grant select, insert on orders to reader",
        database="shop",
        check=False,
    )
    may = "select has_table_privilege('%s', '%s', '%s')"
    one = Grant("watcher", ["SELECT"], "shop", on="tables", names=["secrets"])
    exact(bench, [one])
    assert (
        sql(
            host,
            may % ("watcher", "secrets", "SELECT"),
            may % ("watcher", "orders", "SELECT"),
            database="shop",
        )
        == "t\nf"
    )
    revoke = Grant("reader", ["SELECT", "UPDATE"], "shop", on="tables", present=False)
    (changed,) = exact(bench, [revoke])
    assert [c[:3] for c in changed.diff] == [("privilege", "SELECT", "")]
    assert sql(host, may % ("reader", "orders", "INSERT"), database="shop") == "t"
    exact(bench, [Grant("public", ["EXECUTE"], "shop", on="functions", names=["answer"], present=False)])
    assert (
        sql(host, "select has_function_privilege('watcher', 'answer()', 'EXECUTE')", database="shop") == "f"
    )
    # by a group, which is new in this plan as well
    exact(
        bench,
        [
            DatabaseRole("new-group"),
            Grant("new-group", ["USAGE"], "shop", on="schema", schema="sales"),
            DatabaseRole("newest", member_of=["new-group", "reader"]),
            Grant("newest", ["INSERT"], "shop", on="tables", names=["orders"]),
            Grant("newest", ["SELECT"], "shop", on="sequences"),
        ],
    )
    later = DefaultPrivileges("watcher", ["SELECT"], "shop", owner="shop", schema="sales")
    everywhere = DefaultPrivileges(
        "public", ["EXECUTE"], "shop", owner="shop", on="functions", schema="", present=False
    )
    exact(bench, [later, everywhere])
    sql(
        host,
        "grant all on schema sales to shop",
        "set role shop",
        "create table sales.next (x int)",
        database="shop",
    )
    assert sql(host, may % ("watcher", "sales.next", "SELECT"), database="shop") == "t"
    gone = DefaultPrivileges("watcher", ["SELECT"], "shop", owner="shop", schema="sales", present=False)
    exact(bench, [gone])


@pytest.mark.at_length
def test_owners_of_what_is_in_a_database(bench: Bench, host: str) -> None:
    def owners() -> dict[str, str]:
        rows = sql(
            host,
            "select 'r ' || oid::regclass, pg_get_userbyid(relowner) from pg_class"
            " where relnamespace in ('sales'::regnamespace, 'own'::regnamespace) and relkind <> 'i'",
            "select 'f ' || oid::regprocedure, pg_get_userbyid(proowner) from pg_proc"
            " where pronamespace = 'own'::regnamespace",
            "select 'n ' || nspname, pg_get_userbyid(nspowner) from pg_namespace where nspname = 'own'",
            database="shop",
        )
        return dict(row.split("|") for row in rows.splitlines())

    sql(
        host,
        'create schema own; create table own."A b" (n serial); create table own.other (x int)',
        "create view own.seen as select 1 as one; create sequence own.free",
        "create function own.f(int) returns int language sql as 'select 1'",
        "create function own.f(text) returns int language sql as 'select 1'",
        database="shop",
    )
    before = owners()
    (changed,) = exact(bench, [Owner("watcher", "shop", "tables", "own", ["A b"])])
    assert [c[:3] for c in changed.diff] == [('owner of own."A b"', "postgres", "watcher")]
    mine = {'r own."A b"': "watcher", 'r own."A b_n_seq"': "watcher"}
    assert owners() == {**before, **mine}
    exact(bench, [Owner("watcher", "shop", schema="own")])
    exact(bench, [Owner("reader", "shop", "functions", "own"), Owner("reader", "shop", "sequences", "own")])
    mine |= {
        "n own": "watcher",
        "f own.f(integer)": "reader",
        "f own.f(text)": "reader",
        "r own.free": "reader",
    }
    assert owners() == {**before, **mine}
    # in one plan with a role that is new, and all tables
    exact(bench, [DatabaseRole("owner!"), Owner("owner!", "shop", "tables", "own")])
    new = dict.fromkeys(("r own.other", "r own.seen", *(name for name in mine if "A b" in name)), "owner!")
    assert owners() == {**before, **mine, **new}
    lacks = Owner("reader", "shop", "tables", "own", ["other", "missing"])
    bench.fails(lacks, "schema own of database shop has no tables: missing")
    bench.fails(Owner("reader", "shop", schema="nowhere"), "database shop has no schema nowhere")
    bench.fails(Owner("nobody", "shop", schema="own"), "PostgreSQL has no role nobody")
    sql(host, "drop schema own cascade", 'drop role "owner!"', database="shop")


def test_what_a_command_of_the_same_run_makes_is_not_missed(bench: Bench, host: str) -> None:
    """A migration makes schemas, tables and functions: a plan fails only where the deploy does."""

    def migration(*statements: str) -> Step:
        words = [word for each in statements for word in ("-c", each)]
        argv = ["psql", "-Xq", "-d", "fresh", *words]
        return Command(argv, user="postgres", cwd="/", stamp=["/var/tmp/migrated", statements[-1]])

    def asked(*made: Step) -> list[Step]:
        return [
            Database("fresh"),
            *made,
            Owner("watcher", "fresh", "tables", names=["t"]),
            Owner("watcher", "fresh", "functions", "own", ["f"]),
            Owner("watcher", "fresh", schema="own"),
            Grant("reader", ["SELECT"], "fresh", on="tables", names=["t"]),
            Grant("reader", ["USAGE"], "fresh", on="schema", schema="own"),
            Grant("reader", ["SELECT"], "fresh", on="tables", schema="own"),
            DefaultPrivileges("reader", ["SELECT"], "fresh", owner="watcher", schema="own"),
        ]

    first = asked(
        migration(
            "create schema own",
            "create table t (x int); create table own.u (x int)",
            "create function own.f() returns int language sql as 'select 1'",
        )
    )
    planned = bench.run(*first, *first, plan=True)
    assert [o.error for o in planned] == [None] * len(planned)
    assert [o.state for o in planned[: len(first)]] == ["changed", "changed", *["maybe"] * 6, "changed"]
    assert {o.why for o in planned if o.state == "maybe"} == {"known once the commands before it have run"}
    real = bench.run(*first, *first)
    assert [o.error for o in real] == [None] * len(real)
    assert [o.state for o in real] == ["changed"] * len(first) + ["ok"] * len(first)
    assert [o.state for o in planned[len(first) :]] == ["ok"] * len(first)
    # one that makes a table more, which is then granted as well
    more = asked(migration("create table own.v (x int)"))
    planned = bench.run(*more, plan=True)
    grant = len(more) - 2
    assert [(at, o.state) for at, o in enumerate(planned) if o.state != "ok"] == [
        (1, "changed"),
        (grant, "maybe"),
    ]
    real = bench.run(*more)
    assert [at for at, o in enumerate(real) if o.state != "ok"] == [1, grant], [o.error for o in real]
    assert sql(host, "select has_table_privilege('reader', 'own.v', 'SELECT')", database="fresh") == "t"
    # without a command, what is missing is missing in the plan as well
    for step in (
        Owner("watcher", "fresh", "tables", "nowhere"),
        Grant("reader", ["SELECT"], "fresh", on="tables", schema="nowhere"),
        DefaultPrivileges("reader", ["SELECT"], "fresh", owner="watcher", schema="nowhere"),
        Extension("pg_trgm", "fresh", schema="nowhere"),
    ):
        bench.fails(step, "database fresh has no schema nowhere")
    # who owned it before is known, though that role goes in the same plan
    heir = [
        DatabaseRole("heir2"),
        DatabaseRole("watcher", present=False, reassign_owned_to="heir2"),
        Owner("reader", "fresh", "tables", names=["t"]),
        DatabaseRole("watcher", login=True),
    ]
    planned, real = bench.run(*heir, plan=True), bench.run(*heir)
    assert [(o.state, o.diff) for o in planned] == [(o.state, o.diff) for o in real]
    assert [c[:3] for c in real[2].diff] == [("owner of t", "heir2", "reader")]
    gone: list[Step] = [Database("fresh", present=False), DatabaseRole("heir2", present=False)]
    assert [o.error for o in bench.run(*gone)] == [None] * 2


@pytest.mark.at_length
def test_extensions_databases_and_roles_go(bench: Bench, host: str) -> None:
    sql(host, "drop extension pg_trgm", "create extension pg_trgm version '1.5'", database="shop")
    bench.settled(Extension("pg_trgm", "shop"))
    (changed,) = exact(bench, [Extension("pg_trgm", "shop", latest=True)])
    assert [c[:3] for c in changed.diff] == [("version", "1.5", "1.6")]
    exact(bench, [Extension("pg_trgm", "shop", present=False)])
    exact(bench, [Extension("pg_trgm", "shop", version="1.5")])
    session = ["psql", "-d", "shop", "-c", "select pg_sleep(600)"]
    on(host, "systemd-run", "-q", "--uid=postgres", "--unit=session", *session)
    deadline = time.monotonic() + 20
    while sql(host, "select 1 from pg_stat_activity where datname = 'shop'") != "1":
        assert time.monotonic() < deadline
    bench.fails(Database("shop", present=False), "1 other session using the database", plan=False)
    exact(bench, [Database("shop", present=False, force=True)])
    steps = [
        Database(ODD, present=False),
        *(DatabaseRole(name, present=False) for name in ("report", "shop", "staff", ODD)),
    ]
    exact(bench, [*steps, DatabaseRole("newest", present=False), DatabaseRole("new-group", present=False)])
