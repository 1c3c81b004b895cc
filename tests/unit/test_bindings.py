"""What applications use: `uses` in the inventory, what it is refused for, and what applications find."""

from __future__ import annotations

import threading
from pathlib import Path
from textwrap import indent

import pytest
from inventories import errors, inventory, project

from provision.apps.app_releases import Release, release_of
from provision.controller.shared_work import SharedWork
from provision.declared.backing_roles import BackingRole
from provision.roles.project import Assignment, resolve
from provision.run.on_hosts import providers_first
from provision.secrets import Secret

#: a host with a database and an application, and one without either
HOSTS = """
all:
  hosts:
    web1:
      roles: [python, app, postgres]
      apps:
        shop:
          source: src
          target: shop:app
          domains: [shop.test]
{uses}
    web2: {roles: [python, app]}
"""


def resolved(folder: Path, uses: str, *names: str, hosts: str = HOSTS) -> list[Assignment]:
    """What hosts get; web1 has an application with these lines of settings."""
    project(folder, {"src/requirements.txt": ""})
    found = inventory(folder, hosts.replace("{uses}", indent(uses, " " * 10)))
    return resolve([found.hosts[name] for name in names or ("web1",)], project=folder)


def release(folder: Path, uses: str, requirements: str = "", **hosts: str) -> Release:
    """The release of the application."""
    project(folder, {"src/requirements.txt": requirements})
    (assignment,) = resolved(folder, uses, **hosts)
    (folder / "src/requirements.txt").write_text(requirements)
    return assignment.served.apps[0].release


def test_a_database_is_found_by_url_and_by_the_variables_of_libpq(tmp_path: Path) -> None:
    found = release(tmp_path, "uses: {database: postgres}").environment
    assert {name: found[name] for name in ("DATABASE_URL", "PGHOST", "PGDATABASE", "PGUSER")} == {
        "DATABASE_URL": "postgresql:///shop?host=/run/postgresql",
        "PGHOST": "/run/postgresql",
        "PGDATABASE": "shop",
        "PGUSER": "app-shop",
    }


@pytest.mark.parametrize(
    ("requirements", "scheme"),
    [
        ("sqlalchemy\nasyncpg\n", "postgresql+asyncpg"),
        ("SQLAlchemy[asyncio]==2.0\npsycopg[binary]\n", "postgresql+psycopg"),
        ("flask-sqlalchemy\npsycopg2-binary\n", "postgresql"),
        ("django\npsycopg\n", "postgresql"),
        ("asyncpg\n", "postgresql"),
    ],
)
def test_urls_are_for_what_reads_them(tmp_path: Path, requirements: str, scheme: str) -> None:
    found = release(tmp_path, "uses: {database: postgres}", requirements).environment["DATABASE_URL"]
    assert found == f"{scheme}:///shop?host=/run/postgresql"


def test_a_url_of_ones_own(tmp_path: Path) -> None:
    found = release(tmp_path, "uses: {database: {postgres: , url: postgres, name: old}}").environment
    assert found["DATABASE_URL"] == "postgres:///old?host=/run/postgresql"
    url = "'django+pg://{user}@{host}:{port}/{name}'"
    found = release(tmp_path, f"uses: {{database: {{postgres: , url: {url}}}}}").environment
    assert found["DATABASE_URL"] == "django+pg://app-shop@/run/postgresql:5432/shop"


def test_what_the_inventory_says_comes_first(tmp_path: Path) -> None:
    uses = "uses: {database: postgres}\nenvironment: {PGHOST: /other}\nsecrets: {DATABASE_URL: x}"
    found = release(tmp_path, uses).environment
    assert (found["PGHOST"], found["DATABASE_URL"]) == ("/other", Secret("x"))


def test_several_databases_have_names_of_their_own(tmp_path: Path) -> None:
    found = release(tmp_path, "uses: {database: postgres, old_sales: postgres}").environment
    assert found["OLD_SALES_URL"] == "postgresql:///shop-old-sales?host=/run/postgresql"
    assert found["PGDATABASE"] == "shop"


def test_the_database_comes_before_the_application(tmp_path: Path) -> None:
    (assignment,) = resolved(tmp_path, "uses: {database: postgres}")
    names = [role.name for role, _ in assignment.roles]
    assert names.index("postgres") < names.index("app")
    assert [(each.key, each.name, each.way) for each in assignment.served.provided] == [
        ("database", "shop", "socket")
    ]


@pytest.mark.parametrize(
    ("uses", "message"),
    [
        ("uses: {database: postgre}", "uses.database: 'postgre' is not one of "),
        ("uses: {database: nginx}", "'nginx' is a role without REACHED_BY"),
        ("uses: {database: 5}", "uses.database: must be a role, such as `postgres`"),
        ("uses: {database: {url: x}}", "uses.database: must name one role"),
        ("uses: {database: {postgres: web1, redis: web1}}", "uses.database: must name one role"),
        ("uses: {Data base: postgres}", "'Data base' is not a name of a-z"),
        ("uses: {database: {postgres: , name: ../x}}", "'../x' is not a name of a-z"),
        ("uses: {database: {postgres: , url: 'x://{secret}'}}", "may have {user}, {host}"),
        ("uses: {database: {postgres: db1}}", "uses.database.postgres: there is no host 'db1'."),
        ("uses: {database: {postgres: web2}}", "uses.database: web2 does not have the role 'postgres'"),
        ("uses: {a-b: postgres, a_b: postgres}", "would share a variable: A_B_URL"),
        (
            "uses: {database: postgres, other: {postgres: , name: shop}}",
            "'shop' on web1 is `database` of 'shop' (inv.yml:10)",
        ),
    ],
)
def test_bad_uses_are_told_with_their_line(tmp_path: Path, uses: str, message: str) -> None:
    (error,) = errors(lambda: resolved(tmp_path, uses))
    assert message in error
    assert "inv.yml:10" in error


def test_a_host_without_the_role_is_refused(tmp_path: Path) -> None:
    hosts = HOSTS.replace("app, postgres]", "app]")
    (error,) = errors(lambda: resolved(tmp_path, "uses: {database: postgres}", hosts=hosts))
    assert error.startswith("inv.yml:10 web1.apps.shop.uses.database: web1 does not have the role 'postgres'")


def test_two_applications_do_not_share_a_database(tmp_path: Path) -> None:
    hosts = HOSTS.replace(
        "    web2:",
        "        more: {source: src, target: 'a:b', domains: [b.test], uses: {database: {postgres: , name: shop}}}\n"
        "    web2:",
    )
    (error,) = errors(lambda: resolved(tmp_path, "uses: {database: postgres}", hosts=hosts))
    assert "'shop' on web1 is `database` of 'shop' (inv.yml:10)" in error
    assert "web1.apps.more.uses.database" in error


def test_a_role_that_declares_itself_wrongly(tmp_path: Path) -> None:
    project(tmp_path, {"roles/mongo/__init__.py": 'REACHED_BY = ("soket",)\n'})
    (error,) = errors(lambda: resolved(tmp_path, "uses: {database: mongo}"))
    assert "roles/mongo/__init__.py:1: REACHED_BY: 'soket' is not one of socket" in error
    project(tmp_path, {"roles/mongo/__init__.py": 'REACHED_BY = ("socket",)\n'})
    (error,) = errors(lambda: resolved(tmp_path, "uses: {database: mongo}"))
    assert "has REACHED_BY, but no function `environment`" in error


def test_what_else_the_environment_says_names_releases(tmp_path: Path) -> None:
    one = release(tmp_path, "uses: {database: postgres}")
    other = release(tmp_path, "uses: {database: {postgres: , name: other}}")
    assert one.id == release_of(one.app, [*one.entries], one.bindings).id
    assert one.migrations != other.migrations


def test_a_queue_is_found_by_redis_and_by_celery(tmp_path: Path) -> None:
    hosts = HOSTS.replace("postgres]", "redis]", 1)
    found = release(tmp_path, "uses: {queue: redis, cache: redis}", "celery\n", hosts=hosts).environment
    assert {name: value for name, value in found.items() if "redis" in str(value)} == {
        "QUEUE_URL": "unix:///run/redis-shop-queue/redis.sock?db=0",
        "REDIS_URL": "unix:///run/redis-shop-queue/redis.sock?db=0",
        "CACHE_URL": "unix:///run/redis-shop-cache/redis.sock?db=0",
        "CELERY_BROKER_URL": "redis+socket:///run/redis-shop-queue/redis.sock",
        "CELERY_RESULT_BACKEND": "redis+socket:///run/redis-shop-queue/redis.sock",
    }
    found = release(tmp_path, "uses: {cache: redis}", "django-redis\n", hosts=hosts).environment
    assert "CELERY_BROKER_URL" not in found


TWO = """
all:
  hosts:
    web1:
      ansible_host: 192.0.2.1
      roles: [python, app]
      apps:
        shop:
          source: src
          target: shop:app
          domains: [shop.test]
{uses}
    db1: {roles: [postgres], ansible_host: 192.0.2.2}
    db2: {roles: [postgres], ansible_host: db2.example.com}
"""


def test_another_host_is_reached_by_a_certificate(tmp_path: Path) -> None:
    found = release(tmp_path, "uses: {database: {postgres: db1}}", hosts=TWO).environment
    assert {name: value for name, value in found.items() if name.startswith(("DATABASE", "PG"))} == {
        "DATABASE_URL": "postgresql://app-shop@db1.prov.internal:5432/shop",
        "PGHOST": "db1.prov.internal",
        "PGDATABASE": "shop",
        "PGUSER": "app-shop",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/prov/tls/ca.crt",
        "PGSSLCERT": "/etc/prov/tls/shop-client.crt",
        "PGSSLKEY": "/etc/prov/tls/shop-client.key",
    }
    # one that is known by a name keeps it
    found = release(tmp_path, "uses: {database: {postgres: db2}}", hosts=TWO).environment
    assert found["PGHOST"] == "db2.example.com"


def test_what_a_firewall_opens_for_it(tmp_path: Path) -> None:
    (binding,) = release(tmp_path, "uses: {database: {postgres: db1}}", hosts=TWO).bindings
    assert binding.opening == "5432 from 192.0.2.1"
    # a name may have other addresses tomorrow
    named = TWO.replace("ansible_host: 192.0.2.1", "ansible_host: web1.example.com")
    (binding,) = release(tmp_path, "uses: {database: {postgres: db1}}", hosts=named).bindings
    assert binding.opening == "5432"


def test_a_user_that_no_certificate_can_name(tmp_path: Path) -> None:
    uses = "user: a_b\nuses: {database: {postgres: db1}}"
    (error,) = errors(lambda: resolved(tmp_path, uses, hosts=TWO))
    assert "uses.database: a certificate cannot name 'a_b'" in error


def test_a_host_knows_who_uses_it_from_elsewhere(tmp_path: Path) -> None:
    (db1, db2) = resolved(tmp_path, "uses: {database: {postgres: db1}}", "db1", "db2", hosts=TWO)
    assert [(each.app.user, each.client.name, each.way) for each in db1.served.provided] == [
        ("app-shop", "web1", "certificate")
    ]
    assert db2.served.provided == ()


def test_hosts_that_are_used_begin_first(tmp_path: Path) -> None:
    found = resolved(tmp_path, "uses: {database: {postgres: db1}}", "web1", "db2", "db1", hosts=TWO)
    assert [each.host.name for each in found] == ["web1", "db2", "db1"]
    assert [each.host.name for each in providers_first(found)] == ["db1", "web1", "db2"]


def test_hosts_that_use_each_other_do_not_wait_for_each_other(tmp_path: Path) -> None:
    other = TWO.replace(
        "    db1: {roles: [postgres], ansible_host: 192.0.2.2}",
        "    db1:\n      roles: [postgres, python, app]\n      ansible_host: 192.0.2.2\n      apps:\n        news:"
        " {source: src, target: 'a:b', domains: [n.test], uses: {database: {postgres: web1}}}",
    ).replace("[python, app]", "[python, postgres, app]", 1)
    found = resolved(tmp_path, "uses: {database: {postgres: db1}}", "web1", "db1", hosts=other)
    order = [each.host.name for each in providers_first(found)]
    assert order == ["db1", "web1"]
    together = SharedWork({}, order)
    assert (together.is_before("db1", "web1"), together.is_before("web1", "db1")) == (True, False)


def test_a_host_waits_for_what_it_uses(tmp_path: Path) -> None:
    together = SharedWork({}, ["db1", "web1"])
    told: list[bool] = []
    waiting = threading.Thread(target=lambda: told.append(together.wait_provided("db1")))
    waiting.start()
    together.reached("db1")
    assert together.wait_reached("db1")
    assert told == []
    together.provided("db1")
    together.ended("db1", failed=True)
    waiting.join(10)
    assert told == [True]


@pytest.mark.parametrize(("failed", "good"), [(True, False), (False, True)])
def test_a_host_that_ends_before_it_has_provided(failed: bool, good: bool) -> None:
    together = SharedWork({}, ["db1", "web1"])
    together.ended("db1", failed=failed)
    # a run of other roles has not failed
    assert together.wait_provided("db1") is good
    assert not together.wait_reached("db1")


def test_ports_of_instances_stay_the_same() -> None:
    role = BackingRole("x", "", ("certificate",), (26000, 26009))
    assert {role.port(name) for name in ("a", "b", "c", "d")} <= set(range(26000, 26010))
    assert role.port("shop-queue") == role.port("shop-queue")
    assert BackingRole("x", "", (), (5432, 5432)).port("anything") == 5432


PASSWORD = "uses: {database: {postgres: db1, auth: password}}"
#: a password as a host makes it
MADE = "k" * 43
#: a role of a project's own that provides something on its own host alone
LDAP = """
from provision.role import Host, task

REACHED_BY = ("socket",)
PORTS = (389, 389)

def environment(binding, packages):
    return {binding.variable: "ldapi:///"}

@task
def install(c: Host) -> None:
    "Install it."
"""


def test_a_password_stands_in_the_environment_alone(tmp_path: Path) -> None:
    (web1, db1) = resolved(tmp_path, PASSWORD, "web1", "db1", hosts=TWO)
    (binding,) = web1.served.apps[0].bindings
    release = web1.served.apps[0].release
    before = (release.id, release.migrations)
    assert db1.served.provided == (binding,)
    binding.handed.secret = Secret(MADE)
    found = release.environment
    assert {name: value for name, value in found.items() if name.startswith(("DATABASE", "PG"))} == {
        "DATABASE_URL": Secret(f"postgresql://app-shop:{MADE}@db1.prov.internal:5432/shop"),
        "DATABASE_PASSWORD": Secret(MADE),
        "PGHOST": "db1.prov.internal",
        "PGDATABASE": "shop",
        "PGUSER": "app-shop",
        "PGPASSWORD": Secret(MADE),
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/prov/tls/ca.crt",
    }
    assert MADE not in repr((found, binding, web1))
    # another password is no other release, and has nothing migrated
    assert (release.id, release.migrations) == before


def test_a_password_on_the_same_host(tmp_path: Path) -> None:
    uses = "uses: {database: {postgres: , auth: password, url: 'pg://{user}:{password}@{host}/{name}'}}"
    found = release(tmp_path, uses).environment
    assert found["DATABASE_URL"] == Secret("pg://app-shop:the-password-that-the-deploy-makes@127.0.0.1/shop")
    assert "PGSSLMODE" not in found


@pytest.mark.parametrize(
    ("uses", "message"),
    [
        ("uses: {database: {postgres: , auth: pass}}", "uses.database.auth: "),
        ("uses: {database: {postgres: , url: 'x://{password}'}}", "may have {user}, {host}"),
        (
            "uses: {database: {postgres: , auth: password}}\nsecrets: {DATABASE_PASSWORD: x}",
            "DATABASE_PASSWORD is prov's own",
        ),
    ],
)
def test_passwords_that_can_not_be(tmp_path: Path, uses: str, message: str) -> None:
    (error,) = errors(lambda: resolved(tmp_path, uses))
    assert message in error


def test_a_role_that_has_no_passwords(tmp_path: Path) -> None:
    project(tmp_path, {"roles/ldap/__init__.py": LDAP})
    hosts = HOSTS.replace("postgres]", "ldap]", 1)
    (error,) = errors(lambda: resolved(tmp_path, "uses: {users: {ldap: , auth: password}}", hosts=hosts))
    assert "the role 'ldap' is reached by socket, not by password" in error


@pytest.mark.parametrize(
    ("where", "url"),
    [
        ("", "redis://:{}@127.0.0.1:{}/0"),
        (
            "db1",
            "rediss://:{}@db1.prov.internal:{}/0?ssl_ca_certs=/etc/prov/tls/ca.crt&ssl_cert_reqs=required",
        ),
    ],
)
def test_a_queue_with_a_password(tmp_path: Path, where: str, url: str) -> None:
    hosts = TWO.replace("[postgres]", "[redis]").replace("[python, app]", "[python, redis, app]", 1)
    uses = f"uses: {{queue: {{redis: {where}, auth: password}}}}"
    project(tmp_path, {"src/requirements.txt": "celery\n"})
    (web1,) = resolved(tmp_path, uses, hosts=hosts)
    (tmp_path / "src/requirements.txt").write_text("celery\n")
    (binding,) = web1.served.apps[0].bindings
    binding.handed.secret = Secret(MADE)
    found = web1.served.apps[0].release.environment
    said = url.format(MADE, binding.port)
    broker = said.replace("=required", "=CERT_REQUIRED")
    assert {name: value for name, value in found.items() if MADE in getattr(value, "reveal", str)()} == {
        "QUEUE_URL": Secret(said),
        "QUEUE_PASSWORD": Secret(MADE),
        "REDIS_URL": Secret(said),
        "CELERY_BROKER_URL": Secret(broker),
        "CELERY_RESULT_BACKEND": Secret(broker),
    }


def test_new_passwords_only_where_all_get_them() -> None:
    together = SharedWork({}, ["db1", "web1", "web2"], ["web1", "db1"])
    assert [together.takes_from("db1", each) for each in ("db1", "web1", "web2", "web3")] == [
        *(True, True, False, False)
    ]
    # one that has begun earlier has not waited
    assert not together.takes_from("web1", "db1")
