"""PostgreSQL: a server tuned to the host, and a database with its owner for each application that uses it.

An application names it in `uses`. On the same host, the application connects by the socket, and is recognised
by its user. From other hosts it connects over TLS, and both sides have a certificate of the private CA. No
password is involved, and the server opens a port only if applications of other hosts use it. With
`auth: password`, for clients that can do neither, the server's host makes a password, and the application finds
it in its environment; between hosts it goes over TLS. A database is never dropped: not by undo or prune, nor when
an application is renamed or removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from pydantic import Field

from provision.apps.bindings import LOOPBACK, Binding
from provision.apps.tls import AUTHORITY_PATH
from provision.errors import ConfigError
from provision.role import Host, Outcome, Params, task
from provision.secrets import Secret
from provision.serving.handing import hand_over
from provision.steps import apt, postgres, systemd
from provision.steps.postgres_passwords import MadePassword
from roles.tls import Tls, between

REACHED_BY = ("socket", "certificate", "password")
PORTS = (5432, 5432)

#: version in each distribution release, by /etc/os-release
VERSIONS = {
    "debian": {"11": 13, "12": 15, "13": 17},
    "ubuntu": {"20.04": 12, "22.04": 14, "24.04": 16},
}
#: folder of the socket, on Debian
SOCKETS = "/run/postgresql"
#: packages that use SQLAlchemy, and those of its drivers
SQLALCHEMY = {"sqlalchemy", "flask-sqlalchemy", "sqlmodel", "alembic", "flask-migrate", "advanced-alchemy"}
DRIVERS = {"asyncpg": "asyncpg", "psycopg": "psycopg", "pg8000": "pg8000"}
#: SQLAlchemy's default driver
USUAL_DRIVERS = {"psycopg2", "psycopg2-binary"}
#: a killed server restarts; a stopped one does not (systemd.service(5)). It waits until its address is up.
DROP_IN = """[Unit]
Wants=network-online.target
After=network-online.target

[Service]
Restart=on-failure
RestartSec=1
"""


class Postgres(Params):
    """Parameters of the role `postgres`."""

    version: int | None = Field(default=None, ge=10, le=99)
    """Major version, with its own cluster `main`. Default: the distribution's."""
    memory: int | None = Field(default=None, ge=64)
    """Megabytes that it is tuned to. Default: the host's memory, or half of it beside applications."""
    max_connections: int = Field(default=100, ge=10, le=10000)
    """Largest number of sessions at once."""
    settings: Mapping[str, str] = {}
    """Further settings, as in postgresql.conf, which override prov's: `{work_mem: 32MB}`."""

    def unmet(self, host: Host) -> Iterator[ConfigError]:
        if self.version is None and self.of_distribution(host) is None:
            facts = host.facts
            message = f"prov does not know which PostgreSQL {facts.distribution} {facts.version} has"
            yield host.inventory.error(("postgres", "version"), message, "Say so: `postgres: {version: 16}`.")
        for app in host.apps:
            uses = [each for each in app.bindings if each.role == "postgres"]
            for each in uses:
                if each.way == "password" and not each.is_elsewhere and any(o.is_elsewhere for o in uses):
                    message = (
                        f"{app.name} would verify the server on its own host, as PGSSLMODE is for all of them"
                    )
                    hint = "Leave out `auth` here: on its own host, an application needs no password."
                    yield host.inventory.error(each.said("auth"), message, hint)

    @staticmethod
    def of_distribution(host: Host) -> int | None:
        """Return the version that the host's distribution has."""
        return VERSIONS.get(host.facts.distribution, {}).get(host.facts.version)

    def tuned(self, host: Host) -> dict[str, str]:
        """Return settings that depend on the host. Source: PostgreSQL's manual, "Resource Consumption"."""
        # rounded: a kernel update changes the host's memory by some megabytes
        available = max(host.facts.memory_mb // 256 * 256, 256)
        memory = self.memory or (available // 2 if host.apps else available)
        work = max(4, memory // 4 // self.max_connections)
        return {
            "listen_addresses": "",
            "max_connections": str(self.max_connections),
            "shared_buffers": f"{memory // 4}MB",
            "effective_cache_size": f"{memory * 3 // 4}MB",
            "maintenance_work_mem": f"{min(max(memory // 16, 16), 1024)}MB",
            "work_mem": f"{work}MB",
            "random_page_cost": "1.1",
        }


@task
def install(c: Host, p: Postgres) -> None:
    """Install the server and tune it."""
    version = p.version or p.of_distribution(c)
    unit = f"postgresql@{version}-main"
    apt.packages(c, [f"postgresql-{version}"])
    unit_settings = systemd.drop_in(c, unit, "prov", DROP_IN)
    bound = [each for each in c.provided if each.role == "postgres"]
    others = [each for each in bound if each.is_elsewhere]
    read = between.server(c, c.params(Tls), "postgres", others, group="postgres") if others else []
    values = {**p.tuned(c), **listening(c, bound), **p.settings}
    changed = [postgres.setting(c, name, value) for name, value in values.items()]
    read.append(postgres.access(c, rows(bound), name="applications"))
    # Debian's generator starts it at boot, if the cluster's start.conf says so
    systemd.service(c, unit, enabled=None, restart_on=[*changed, unit_settings], reload_on=read)


def listening(c: Host, bound: Sequence[Binding]) -> dict[str, str]:
    """Return settings by which applications reach the server, besides the socket."""
    others = [each for each in bound if each.is_elsewhere]
    own = [LOOPBACK] if any(each.way == "password" and not each.is_elsewhere for each in bound) else []
    if not others:
        return {"listen_addresses": LOOPBACK} if own else {}
    key, certificate = between.server_files("postgres")
    address = between.listens_at(c, others)
    return {
        "listen_addresses": address if address == "*" else ",".join(dict.fromkeys([address, *own])),
        "ssl": "on",
        "ssl_key_file": key,
        "ssl_cert_file": certificate,
        "ssl_ca_file": AUTHORITY_PATH,
    }


def rows(bound: Sequence[Binding]) -> list[str]:
    """Return rows that say who may log in other than by the socket, and how."""
    return sorted({row(each) for each in bound if each.way != "socket"})


def row(binding: Binding) -> str:
    """Return the row for an application: between hosts, nothing is sent without TLS."""
    who = f'"{binding.name}" "{binding.app.user}"'
    if not binding.is_elsewhere:
        return f"host {who} {LOOPBACK}/32 scram-sha-256"
    return f"hostssl {who} all {'cert' if binding.way == 'certificate' else 'scram-sha-256'}"


@task
def databases(c: Host, p: Postgres) -> None:
    """Make a database for each application that uses this server, owned by a role named after its user."""
    for binding in c.provided:
        if binding.role == "postgres":
            owner = binding.app.user
            postgres.role(c, owner)
            made = postgres.database(c, binding.name, owner=owner)
            binding.handed.is_new = partial(is_new, made)
            # other applications of the host have roles of their own
            postgres.grant(c, "public", ["CONNECT", "TEMPORARY"], binding.name, present=False)
    passwords(c)


def copied(c: Host, binding: Binding, live: Binding) -> None:
    """Make what a preview uses: a copy of the live application's database, with an owner of its own."""
    owner = binding.app.user
    postgres.role(c, owner)
    made = postgres.database_copy(c, binding.name, of=live.name, owner=owner)
    binding.handed.is_new = partial(is_new, made)


def copy_gone(c: Host, name: str, user: str) -> None:
    """Remove what `copied` has made. name: of the database.  user: of the preview."""
    postgres.database_copy(c, name, present=False)
    postgres.role(c, user, present=False)


def is_new(made: Outcome) -> bool:
    """Return whether the run makes a database. made: of its step, which another host's thread only sees done."""
    if not made.done:
        made.wait()
    return any(change.what == "database" for change in made.answer.diff)


def passwords(c: Host) -> None:
    """See to the password of each role that an application logs in with."""
    found: dict[str, list[Binding]] = {}
    for binding in c.provided:
        if binding.role == "postgres" and binding.way == "password":
            found.setdefault(binding.app.user, []).append(binding)
    for user, bindings in found.items():
        hand_over(c, bindings, partial(MadePassword, user))


def environment(binding: Binding, packages: Collection[str]) -> dict[str, str | Secret]:
    """Return an application's environment: a URL, and the variables of libpq, which asyncpg reads as well."""
    local, own = binding.way == "socket", binding.files
    host = SOCKETS if local else binding.host_name
    user = "{user}:{password}" if binding.way == "password" else "{user}"
    plain = "{scheme}:///{name}?host={host}" if local else f"{{scheme}}://{user}@{{host}}:{{port}}/{{name}}"
    values = {"user": binding.app.user, "name": binding.name, "host": host, "port": "5432"}
    found = binding.variables(plain, scheme(packages), values)
    if binding.first:
        found |= {"PGHOST": host, "PGDATABASE": binding.name, "PGUSER": binding.app.user}
        if binding.way == "password":
            found["PGPASSWORD"] = binding.password
    if binding.is_elsewhere:
        found |= {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": own.authority}
    if binding.way == "certificate":
        found |= {"PGSSLCERT": own.certificate, "PGSSLKEY": own.key}
    return found


def socket_folder(binding: Binding) -> str:
    """Return the folder of the server's socket."""
    return SOCKETS


def scheme(packages: Collection[str]) -> str:
    """Return the URL scheme that the application's library expects. packages: names of its requirements."""
    given = set(packages)
    if given & SQLALCHEMY and not given & USUAL_DRIVERS:
        driver = next((name for package, name in DRIVERS.items() if package in given), None)
        if driver is not None:
            return f"postgresql+{driver}"
    return "postgresql"
