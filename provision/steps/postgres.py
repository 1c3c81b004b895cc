"""Roles, databases and settings of PostgreSQL. Shipped to hosts (Python 3.8, standard library).

All through psql(1) on the host, as the server's own user over its Unix socket. SQL goes in over stdin, so no
password is ever in an argv; passwords are sent as SCRAM verifiers, so none is in the server's log either.
"""

import re
from typing import TYPE_CHECKING, List, Optional, Sequence

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Change, Diff, Step, step, wanted
from provision.steps.support.psql import (
    ask,
    check_identifier,
    check_server,
    execute,
    identifier,
    is_foreseen,
    literal,
    matches,
    signature,
    verifier,
)

if TYPE_CHECKING:
    from provision.system.host import System

#: CREATE ROLE's word -> its column in pg_authid
COLUMNS = {
    "login": "rolcanlogin",
    "superuser": "rolsuper",
    "createdb": "rolcreatedb",
    "createrole": "rolcreaterole",
    "replication": "rolreplication",
}
#: GRANT of PostgreSQL, what it takes by kind of object
PRIVILEGES = {
    "database": ("CREATE", "CONNECT", "TEMPORARY"),
    "schema": ("CREATE", "USAGE"),
    "tables": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "sequences": ("USAGE", "SELECT", "UPDATE"),
}


@wanted()
class Role(Step):
    """A role of PostgreSQL: a user or a group of them.

        postgres.role(c, "shop", password=Secret("..."))

    name: of the role.  password: None leaves it as it is; a role without one can come in over the socket only.
    login, superuser, createdb, createrole, replication: what it may do.
    member_of: roles of which it is a member; others are left.
    present: False drops it; PostgreSQL refuses that while it owns something.
    port: of the server.  user: of the host, as whom psql runs.
    Needs the server: apt.packages(c, "postgresql").  Source: PostgreSQL's manual, CREATE ROLE, pg_authid.
    """

    name: str
    password: Optional[Secret] = None
    login: bool = True
    superuser: bool = False
    createdb: bool = False
    createrole: bool = False
    replication: bool = False
    member_of: Sequence[str] = ()
    present: bool = True
    port: int = 5432
    user: str = "postgres"

    def label(self) -> str:
        return "postgres role %s" % self.name

    def validate(self) -> None:
        check_server(self.port, self.user)
        for name in (self.name, *self.member_of):
            check_identifier(name)
        if isinstance(self.member_of, str):
            raise ValueError("member_of must be a list")
        if self.password is not None and not isinstance(self.password, Secret):
            raise ValueError("password must be a Secret")
        if self.password is not None and not self.password:
            raise ValueError("an empty password can't be used to log in")

    def check(self, host: "System") -> Diff:
        if is_foreseen(host, self):
            return Diff.none("is there" if self.present else "is absent")
        query = "SELECT %s, coalesce(rolpassword, '') FROM pg_authid WHERE rolname = %s"
        rows = ask(host, self, "postgres", query % (", ".join(COLUMNS.values()), literal(self.name)))
        if not rows or not self.present:
            if not rows and not self.present:
                return Diff.none("is absent")
            return Diff(
                [Change("role", "" if self.present else self.name, self.name if self.present else "")]
            )
        found: List[Change] = []
        for attribute, value in zip(COLUMNS, rows[0]):
            if (value == "t") != getattr(self, attribute):
                found.append(Change(attribute, yes(value == "t"), yes(getattr(self, attribute))))
        if self.password is not None and not matches(self.password.reveal(), self.name, rows[0][-1]):
            found.append(Change("password", "********" if rows[0][-1] else "", "********"))
        found += [Change("member of", "", name) for name in self._missing(host)]
        return Diff(found) if found else Diff.none("is there")

    def apply(self, host: "System", diff: Diff) -> None:
        name = identifier(self.name)
        if not self.present:
            execute(host, self, "postgres", "DROP ROLE %s" % name)
            return
        words = [a.upper() if getattr(self, a) else "NO" + a.upper() for a in COLUMNS]
        new = any(c.what == "role" for c in diff.changes)
        if self.password is not None and (new or any(c.what == "password" for c in diff.changes)):
            words.append("PASSWORD %s" % literal(verifier(self.password.reveal())))
        lines = ["%s ROLE %s %s" % ("CREATE" if new else "ALTER", name, " ".join(words))]
        groups = self.member_of if new else [c.after for c in diff.changes if c.what == "member of"]
        lines += ["GRANT %s TO %s" % (identifier(group), name) for group in groups]
        execute(host, self, "postgres", ";\n".join(lines))

    def fingerprint(self, host: "System") -> str:
        return signature(self)

    def _missing(self, host: "System") -> List[str]:
        query = (
            "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid"
            " JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = %s"
        )
        have = [row[0] for row in ask(host, self, "postgres", query % literal(self.name)) or ()]
        return [name for name in self.member_of if name not in have]


@wanted()
class Database(Step):
    """A database of PostgreSQL.

        postgres.database(c, "shop", owner="shop")

    name: of the database.  owner: a role; "" leaves it (a new one is the server's own user's).
    encoding, locale: of a new one ("de_DE.UTF-8"; "" is the server's). They can't be changed later, and
    another one that is there is refused.
    present: False drops it, with all data in it; PostgreSQL refuses that while somebody is connected.
    port, user: as of postgres.role.  Source: PostgreSQL's manual, CREATE DATABASE, pg_database.
    """

    name: str
    owner: str = ""
    encoding: str = "UTF8"
    locale: str = ""
    present: bool = True
    port: int = 5432
    user: str = "postgres"

    def label(self) -> str:
        return "postgres database %s" % self.name

    def validate(self) -> None:
        check_server(self.port, self.user)
        check_identifier(self.name)
        if self.owner:
            check_identifier(self.owner)
        if not re.match(r"^[A-Za-z0-9_-]+\Z", self.encoding):
            raise ValueError("%r is not an encoding" % self.encoding)
        if self.locale and not re.match(r"^[\w.@-]+\Z", self.locale):
            raise ValueError("%r is not a locale" % self.locale)
        if not self.present and self.name in ("postgres", "template0", "template1"):
            raise ValueError("refusing to drop %s: the server needs it" % self.name)

    def check(self, host: "System") -> Diff:
        if is_foreseen(host, self):
            return Diff.none("is there" if self.present else "is absent")
        query = (
            "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate"
            " FROM pg_database WHERE datname = %s" % literal(self.name)
        )
        rows = ask(host, self, "postgres", query)
        if not rows or not self.present:
            if not rows and not self.present:
                return Diff.none("is absent")
            change = Change("database", "" if self.present else self.name, self.name if self.present else "")
            return Diff([change, *([Change("owner", "", self.owner)] if self.present and self.owner else [])])
        owner, encoding, locale = rows[0]
        for what, now, want in (("encoding", encoding, self.encoding), ("locale", locale, self.locale)):
            if want and plain(now) != plain(want):
                raise StepError(
                    "database %s has the %s %s, not %s" % (self.name, what, now, want),
                    hint="That can't be changed: dump it, drop it, and restore it into a new one.",
                )
        if self.owner and owner != self.owner:
            return Diff([Change("owner", owner, self.owner)])
        return Diff.none("is there")

    def apply(self, host: "System", diff: Diff) -> None:
        name = identifier(self.name)
        if not self.present:
            execute(host, self, "postgres", "DROP DATABASE %s" % name)
        elif any(c.what == "database" for c in diff.changes):
            words = ["ENCODING %s TEMPLATE template0" % literal(self.encoding)]
            words += ["OWNER %s" % identifier(self.owner)] if self.owner else []
            words += ["LOCALE %s" % literal(self.locale)] if self.locale else []
            execute(host, self, "postgres", "CREATE DATABASE %s %s" % (name, " ".join(words)))
        else:
            execute(host, self, "postgres", "ALTER DATABASE %s OWNER TO %s" % (name, identifier(self.owner)))

    def fingerprint(self, host: "System") -> str:
        return signature(self)


@wanted()
class Extension(Step):
    """An extension in a database of PostgreSQL.

        postgres.extension(c, "pg_trgm", "shop")

    name: of the extension; its files come with a package, often postgresql-contrib.  database: where.
    schema: where its objects go when it is made; "" is its own choice.  present: False drops it; PostgreSQL
    refuses that while something depends on it.  port, user: as of postgres.role.
    Source: PostgreSQL's manual, CREATE EXTENSION.
    """

    name: str
    database: str
    schema: str = ""
    present: bool = True
    port: int = 5432
    user: str = "postgres"

    def label(self) -> str:
        return "postgres extension %s in %s" % (self.name, self.database)

    def validate(self) -> None:
        check_server(self.port, self.user)
        for name in (self.name, self.database, self.schema or "public"):
            check_identifier(name)

    def check(self, host: "System") -> Diff:
        if is_foreseen(host, self):
            return Diff.none("is there" if self.present else "is absent")
        query = "SELECT extversion FROM pg_extension WHERE extname = %s" % literal(self.name)
        rows = ask(host, self, self.database, query)
        if bool(rows) == self.present:
            return Diff.none("is there, version %s" % rows[0][0] if rows else "is absent")
        return Diff([Change("extension", rows[0][0] if rows else "", self.name if self.present else "")])

    def apply(self, host: "System", diff: Diff) -> None:
        verb = "CREATE" if self.present else "DROP"
        schema = " SCHEMA %s" % identifier(self.schema) if self.schema and self.present else ""
        execute(host, self, self.database, "%s EXTENSION %s%s" % (verb, identifier(self.name), schema))

    def fingerprint(self, host: "System") -> str:
        return signature(self)


@wanted()
class Grant(Step):
    """Privileges of a role in a database of PostgreSQL.

        postgres.grant(c, "report", ["SELECT"], "shop", on="tables")

    role: who gets them.  privileges: as in GRANT: "SELECT", "USAGE", "CONNECT"...  database: where.
    on: "database", "schema", or all "tables" (views too) or "sequences" of the schema, those of today: run it
    again after new ones have been made, it finds them.  schema: which.
    What the role has already, be it as a member of another role or like everybody, is not granted again.
    port, user: as of postgres.role.  Source: PostgreSQL's manual, GRANT, has_table_privilege.
    """

    role: str
    privileges: Sequence[str]
    database: str
    on: str = "database"
    schema: str = "public"
    port: int = 5432
    user: str = "postgres"

    def label(self) -> str:
        return "postgres grant on %s of %s to %s" % (self.on, self.database, self.role)

    def validate(self) -> None:
        check_server(self.port, self.user)
        for name in (self.role, self.database, self.schema):
            check_identifier(name)
        if self.on not in PRIVILEGES:
            raise ValueError("on must be one of %s, not %r" % (", ".join(PRIVILEGES), self.on))
        if isinstance(self.privileges, str) or not self.privileges:
            raise ValueError("privileges must be a list")
        for privilege in self.privileges:
            if privilege not in PRIVILEGES[self.on]:
                known = ", ".join(PRIVILEGES[self.on])
                raise ValueError("%r is not a privilege on %s: %s" % (privilege, self.on, known))

    def check(self, host: "System") -> Diff:
        if is_foreseen(host, self):
            return Diff.none("has them")
        role, schema = literal(self.role), literal(self.schema)
        kinds = {"tables": "'r','p','v','m','f'", "sequences": "'S'"}
        missing = []
        for privilege in self.privileges:
            word = literal(privilege)
            if self.on in ("database", "schema"):
                name = literal(self.database) if self.on == "database" else schema
                query = "SELECT 1 WHERE NOT has_%s_privilege(%s, %s, %s)" % (self.on, role, name, word)
            else:
                query = (
                    "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN (%s)"
                    " AND NOT has_%s_privilege(%s, oid, %s)"
                ) % (literal(identifier(self.schema)), kinds[self.on], self.on[:-1], role, word)
            rows = ask(host, self, self.database, query)
            if rows is None or rows:
                missing.append(Change("privilege", "", privilege))
        return Diff(missing) if missing else Diff.none("has them")

    def apply(self, host: "System", diff: Diff) -> None:
        words = ", ".join(c.after for c in diff.changes)
        schema = identifier(self.schema)
        what = {
            "database": "DATABASE %s" % identifier(self.database),
            "schema": "SCHEMA %s" % schema,
        }.get(self.on, "ALL %s IN SCHEMA %s" % (self.on.upper(), schema))
        execute(host, self, self.database, "GRANT %s ON %s TO %s" % (words, what, identifier(self.role)))

    def fingerprint(self, host: "System") -> str:
        return signature(self)


@wanted()
class Setting(Step):
    """A setting of the PostgreSQL server, by ALTER SYSTEM, which wins over postgresql.conf.

        size = postgres.setting(c, "shared_buffers", "512MB")
        systemd.service(c, "postgresql@15-main", restart_on=[size])

    name: of the setting.  value: as one would write it in postgresql.conf, without quotes; None takes back
    what ALTER SYSTEM has said. The server reads it at once; some settings need a restart, and the server
    says so in pg_settings.pending_restart: then name this step in restart_on of the server's unit.
    port, user: as of postgres.role.  Source: PostgreSQL's manual, ALTER SYSTEM, pg_file_settings.
    """

    name: str
    value: Optional[str]
    port: int = 5432
    user: str = "postgres"

    def label(self) -> str:
        return "postgres setting %s" % self.name

    def validate(self) -> None:
        check_server(self.port, self.user)
        if not re.match(r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?\Z", self.name):
            raise ValueError("%r is not the name of a setting, such as work_mem" % self.name)
        if self.value is not None and (not isinstance(self.value, str) or re.search(r"[\n\0]", self.value)):
            raise ValueError("value must be one line of text, not %r" % (self.value,))

    def check(self, host: "System") -> Diff:
        done = "is %s" % self.value if self.value is not None else "is not set"
        if is_foreseen(host, self):
            return Diff.none(done)
        query = "SELECT setting FROM pg_file_settings WHERE name = %s AND sourcefile LIKE '%%/postgresql.auto.conf'"
        rows = ask(host, self, "postgres", query % literal(self.name))
        now = rows[-1][0] if rows else None
        if now == self.value:
            return Diff.none(done)
        return Diff([Change(self.name, now or "", self.value or "")])

    def apply(self, host: "System", diff: Diff) -> None:
        words = "RESET %s" % self.name
        if self.value is not None:
            words = "SET %s = %s" % (self.name, literal(self.value))
        execute(host, self, "postgres", "ALTER SYSTEM %s;\nSELECT pg_reload_conf()" % words)

    def fingerprint(self, host: "System") -> str:
        return str(self.value)


role = step(Role)
database = step(Database)
extension = step(Extension)
grant = step(Grant)
setting = step(Setting)


def yes(value: bool) -> str:
    """A truth value for people."""
    return "yes" if value else "no"


def plain(name: str) -> str:
    """An encoding or locale without what tells its spellings apart: UTF-8, utf8."""
    return name.lower().replace("-", "").replace("_", "")
