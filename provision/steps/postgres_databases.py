"""Databases of PostgreSQL and their extensions; roles call them by postgres.py. Shipped to hosts (Python
3.8)."""

import re
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, listed, wanted
from provision.steps.postgres_roles import check_limit
from provision.steps.support.foresight import MAKERS, foresee
from provision.steps.support.psql import (
    ask,
    check_identifier,
    check_server,
    execute,
    identifier,
    literal,
    picture,
    require_database,
    require_role,
    schema_exists,
    signature,
)

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class Database(Step):
    """A database of PostgreSQL.

        postgres.database(c, "shop", owner="shop")

    name: of the database.  owner: a role; "" leaves it (a new one is the server's own user's).
    encoding, locale: "UTF8", "de_DE.UTF-8". They can't be changed later: the step fails if the database has
    others. With "", a new database is in UTF8, with the server's locale.
    connection_limit: sessions at once, -1 for any number; None leaves it.
    present: False drops it with all its data; PostgreSQL refuses that during open sessions, unless force ends
    them (PostgreSQL 13).
    port, user: as of postgres.role.  Source: PostgreSQL's manual, CREATE DATABASE, DROP DATABASE,
    pg_database.
    """

    name: str
    owner: str = ""
    encoding: str = ""
    locale: str = ""
    present: bool = True
    port: int = 5432
    user: str = "postgres"
    connection_limit: Optional[int] = None
    force: bool = False

    def label(self) -> str:
        return "postgres database %s" % self.name

    def validate(self) -> None:
        check_server(self.port, self.user)
        check_identifier(self.name)
        if self.owner:
            check_identifier(self.owner)
        if self.encoding and not re.match(r"^[A-Za-z0-9_-]+\Z", self.encoding):
            raise ValueError("%r is not an encoding" % self.encoding)
        if self.locale and not re.match(r"^[\w.@-]+\Z", self.locale):
            raise ValueError("%r is not a locale" % self.locale)
        check_limit(self.connection_limit)
        if not self.present and self.name in ("postgres", "template0", "template1"):
            raise ValueError("refusing to drop %s: the server needs it" % self.name)
        if self.present and self.force:
            raise ValueError("force needs present=False")

    def check(self, host: "System") -> Diff:
        now = self._now(host)
        if not self.present:
            return Diff([Change("database", self.name, "")]) if now else Diff.none("is absent")
        if self.owner:
            require_role(host, self, self.owner)
        if now is None:
            owner = [Change("owner", "", self.owner)] if self.owner else []
            return Diff([Change("database", "", self.name), *owner])
        for what, want in (("encoding", self.encoding), ("locale", self.locale)):
            if want and now[what] and plain(now[what]) != plain(want):
                raise StepError(
                    "database %s has the %s %s, not %s" % (self.name, what, now[what], want),
                    hint="That can't be changed: dump it, drop it, and restore it into a new one.",
                )
        found: List[Change] = []
        if self.owner and now["owner"] != self.owner:
            found.append(Change("owner", now["owner"], self.owner))
        if self.connection_limit is not None and now["limit"] != self.connection_limit:
            found.append(Change("connection limit", str(now["limit"]), str(self.connection_limit)))
        return Diff(found) if found else Diff.none("is there")

    def apply(self, host: "System", diff: Diff) -> None:
        name, what = identifier(self.name), {change.what for change in diff.changes}
        limit = "" if self.connection_limit is None else "CONNECTION LIMIT %d" % self.connection_limit
        if not self.present:
            execute(
                host, self, "postgres", "DROP DATABASE %s%s" % (name, " WITH (FORCE)" if self.force else "")
            )
        elif "database" in what:
            words = ["ENCODING %s TEMPLATE template0" % literal(self.encoding or "UTF8")]
            words += ["OWNER %s" % identifier(self.owner)] if self.owner else []
            words += ["LOCALE %s" % literal(self.locale)] if self.locale else []
            execute(host, self, "postgres", " ".join(["CREATE DATABASE", name, *words, limit]))
        else:
            if "owner" in what:
                execute(
                    host, self, "postgres", "ALTER DATABASE %s OWNER TO %s" % (name, identifier(self.owner))
                )
            if "connection limit" in what:
                execute(host, self, "postgres", "ALTER DATABASE %s %s" % (name, limit))
        if host.planned:
            self._foresee(host, "database" in what)

    def fingerprint(self, host: "System") -> str:
        return signature(self)

    def _now(self, host: "System") -> "Optional[Dict[str, Any]]":
        """What the database is; None if there is none."""
        foreseen = {
            **picture(host, self, "database", self.name),
            **picture(host, self, "changes of database", self.name),
        }
        if foreseen.get("exists") is False:
            return None
        query = (
            "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datconnlimit"
            " FROM pg_database WHERE datname = %s" % literal(self.name)
        )
        rows = ask(host, self, "postgres", query)
        if not rows and not foreseen:
            own = rows is None and self.name in ("postgres", "template0", "template1")
            return {"owner": self.user, "encoding": "", "locale": "", "limit": -1} if own else None
        state: Dict[str, Any] = {}
        for owner, encoding, locale, limit in rows or ():
            state = {"owner": owner, "encoding": encoding, "locale": locale, "limit": int(limit)}
        return {**state, **foreseen}

    def _foresee(self, host: "System", new: bool) -> None:
        foreseen = picture(host, self, "database", self.name)
        if not self.present:
            foreseen.clear()
            foreseen["exists"] = False
            return
        if new:
            foreseen.update(exists=True, owner=self.user, limit=-1)
            foreseen.update(encoding=self.encoding or "UTF8", locale=self.locale)
        else:
            # its contents can still be asked about
            foreseen = picture(host, self, "changes of database", self.name)
        if self.owner:
            foreseen["owner"] = self.owner
        if self.connection_limit is not None:
            foreseen["limit"] = self.connection_limit


@wanted()
class Extension(Step):
    """An extension in a database of PostgreSQL.

        postgres.extension(c, "pg_trgm", "shop")

    name: of the extension; its files come with a package, often postgresql-contrib.  database: where.
    schema: where its objects go when it is made; "" is its own choice.
    version: "" leaves it; a new extension gets the newest installed version.
    latest: bring it to the newest version that is installed on the host.
    cascade: also make the extensions that it needs; with present=False, drop what depends on it.
    present: False drops it; PostgreSQL refuses that while something depends on it.  port, user: as of
    postgres.role.
    Source: PostgreSQL's manual, CREATE EXTENSION, ALTER EXTENSION, pg_available_extension_versions.
    """

    name: str
    database: str
    schema: str = ""
    present: bool = True
    port: int = 5432
    user: str = "postgres"
    version: str = ""
    latest: bool = False
    cascade: bool = False

    def label(self) -> str:
        return "postgres extension %s in %s" % (self.name, self.database)

    def validate(self) -> None:
        check_server(self.port, self.user)
        for name in (self.name, self.database, self.schema or "public", self.version or "1"):
            check_identifier(name)
        if self.version and self.latest:
            raise ValueError("version and latest cannot be combined")

    def check(self, host: "System") -> Diff:
        require_database(host, self, self.database)
        foreseen = picture(host, self, "extension", self.database, self.name)
        query = "SELECT extversion FROM pg_extension WHERE extname = %s" % literal(self.name)
        rows = ask(host, self, self.database, query)
        now = foreseen["version"] if foreseen else rows[0][0] if rows else ""
        if not self.present:
            return Diff([Change("extension", now, "")]) if now else Diff.none("is absent")
        want = self._version(host, rows is None)
        if not now:
            if self.schema:
                schema_exists(host, self)
            return Diff([Change("extension", "", "%s %s" % (self.name, want) if self.version else self.name)])
        if (self.version or self.latest) and want and now != want:
            return Diff([Change("version", now, want)])
        return Diff.none("is there, version %s" % now)

    def apply(self, host: "System", diff: Diff) -> None:
        (change,) = diff.changes
        name = identifier(self.name)
        if not self.present:
            words = ["DROP EXTENSION", name]
        elif change.what == "version":
            words = ["ALTER EXTENSION", name, "UPDATE TO", literal(change.after)]
        else:
            words = ["CREATE EXTENSION", name]
            words += ["SCHEMA", identifier(self.schema)] if self.schema else []
            words += ["VERSION", literal(self.version)] if self.version else []
        words += ["CASCADE"] if self.cascade and change.what == "extension" else []
        execute(host, self, self.database, " ".join(words))
        if host.planned:
            state = (self._version(host, True) or "that is installed") if self.present else ""
            picture(host, self, "extension", self.database, self.name)["version"] = state
            foresee(host, MAKERS, self.name)

    def fingerprint(self, host: "System") -> str:
        return signature(self)

    def _version(self, host: "System", foreseen: bool) -> str:
        """The version that is wanted. Raises StepError if the host does not have it. foreseen: may still
        come."""
        database = "postgres" if foreseen else self.database
        query = "SELECT version, version = default_version FROM pg_available_extension_versions JOIN"
        query += " pg_available_extensions USING (name) WHERE name = %s ORDER BY 1" % literal(self.name)
        rows = ask(host, self, database, query)
        if rows is None or (not rows and self._comes(host)):
            return self.version
        if not rows:
            raise StepError(
                "PostgreSQL has no extension %s on this host: it is not available" % self.name,
                hint="Install the package that brings it, often postgresql-contrib.",
            )
        versions = [row[0] for row in rows]
        if self.version and self.version not in versions:
            raise StepError(
                "extension %s is not available in version %s: %s"
                % (self.name, self.version, listed(versions))
            )
        return self.version or next((version for version, default in rows if default == "t"), "")

    def _comes(self, host: "System") -> bool:
        """In a plan: whether a package that is still to come brings it."""
        rows = ask(host, self, "postgres", "SELECT setting FROM pg_config WHERE name = 'SHAREDIR'")
        folders = [row[0] for row in rows or ()]
        return any(host.files.exists("%s/extension/%s.control" % (folder, self.name)) for folder in folders)


def plain(name: str) -> str:
    """An encoding or locale without what tells its spellings apart: UTF-8, utf8."""
    return name.lower().replace("-", "").replace("_", "")
