"""A copy of a database of PostgreSQL for a preview; roles call it by postgres.py. Shipped to hosts (Python 3.8)."""

from typing import TYPE_CHECKING, List

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, wanted
from provision.steps.support.psql import (
    ask,
    check_identifier,
    check_server,
    execute,
    identifier,
    literal,
    picture,
    require_role,
)
from provision.steps.support.room import lacking

if TYPE_CHECKING:
    from provision.system.host import System

#: comments that tell a copy of prov's from a database of others, and a whole one from one that was cut
MAKING, MADE = "prov preview, being copied", "prov preview"
#: where the dump is, while it is: the server's own folder
DUMPS = "/var/lib/postgresql"
#: bytes of disk that a copy takes, of those of the original: itself, and the dump
ROOM = 1.5


@wanted()
class DatabaseCopy(Step):
    """A database that is a copy of another one of the same server, made once.

        postgres.database_copy(c, "shop-feature-x", of="shop", owner="app-shop-feature-x")

    name: of the copy.  of: the original, which only is read.  owner: of all in the copy; the role must exist.
    present: False drops it, with its sessions, but never a database of other origin.
    port, user: as of postgres.role.  Source: pg_dump(1), pg_restore(1).
    """

    name: str
    of: str = ""
    owner: str = ""
    present: bool = True
    port: int = 5432
    user: str = "postgres"

    DEADLINE = 3600.0

    def label(self) -> str:
        return "postgres database %s, a copy" % self.name

    def validate(self) -> None:
        check_server(self.port, self.user)
        for name in (self.name, *((self.of, self.owner) if self.present else ())):
            check_identifier(name)

    def check(self, host: "System") -> Diff:
        said = self._said(host)
        if said is not None and said not in (MAKING, MADE):
            if not self.present:
                return Diff.none("is not prov's copy, and stays")
            raise StepError(
                "PostgreSQL has a database %s already, which prov has not copied for a preview" % self.name,
                hint="Name the preview:  --name LABEL",
            )
        if not self.present:
            return Diff([Change("database", self.name, "")]) if said is not None else Diff.none("is absent")
        if said == MADE:
            return Diff.none("is there")
        require_role(host, self, self.owner)
        return Diff([Change("database", "", "%s, a copy of %s" % (self.name, self.of))])

    def apply(self, host: "System", diff: Diff) -> None:
        if host.planned:
            picture(host, self, "database", self.name)["exists"] = self.present
            return
        name = identifier(self.name)
        if self._said(host) is not None:
            # also one that was being made when its run was cut
            execute(host, self, "postgres", "DROP DATABASE %s WITH (FORCE)" % name)
        if not self.present:
            return
        self._refuse_full(host)
        execute(
            host,
            self,
            "postgres",
            "CREATE DATABASE %s OWNER %s TEMPLATE template0 %s"
            % (name, identifier(self.owner), self._kind(host)),
        )
        self._comment(host, MAKING)
        execute(host, self, "postgres", "REVOKE CONNECT, TEMPORARY ON DATABASE %s FROM PUBLIC" % name)
        for extension in self._extensions(host):
            # its role may not make all of them
            execute(
                host, self, self.name, "CREATE EXTENSION IF NOT EXISTS %s CASCADE" % identifier(extension)
            )
        self._fill(host)
        self._comment(host, MADE)

    def _fill(self, host: "System") -> None:
        """Have the copy hold what the original does, owned by its owner. Raises StepError."""
        dump = "%s/prov-preview-%s.dump" % (DUMPS, self.name)
        without = ["--no-owner", "--no-privileges"]
        common = ["--port=%d" % self.port]
        try:
            taken = ["pg_dump", *common, *without, "--format=custom", "--compress=1", "--no-comments"]
            self._tool(host, [*taken, "--no-publications", "--no-subscriptions", "--file=" + dump, self.of])
            put = ["pg_restore", *common, *without, "--exit-on-error", "--role=" + self.owner]
            self._tool(host, [*put, "--dbname=" + self.name, dump])
        finally:
            if host.files.stat(dump) is not None:
                host.files.remove(dump)

    def _tool(self, host: "System", argv: List[str]) -> None:
        # its files are for itself alone
        host.run(["/usr/bin/env", "--chdir=" + DUMPS, *argv], user=self.user).require("copying %s" % self.of)

    def _refuse_full(self, host: "System") -> None:
        """Raise StepError if the disk has no room for a copy."""
        rows = ask(host, self, "postgres", "SELECT pg_database_size(%s)" % literal(self.of)) or [["0"]]
        lacks = lacking(host, {"%s/%s" % (DUMPS, self.name): [int(int(rows[0][0]) * ROOM), 2]}, [])
        if lacks:
            raise StepError(lacks, hint="Free some, or take another preview down:  prov preview HOST --list")

    def _kind(self, host: "System") -> str:
        """Return the encoding and locale of the original, for CREATE DATABASE."""
        query = (
            "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = %s"
        )
        rows = ask(host, self, "postgres", query % literal(self.of))
        if not rows:
            raise StepError("PostgreSQL has no database %s" % self.of, hint="Deploy the application first.")
        return "ENCODING %s LC_COLLATE %s LC_CTYPE %s" % tuple(map(literal, rows[0]))

    def _extensions(self, host: "System") -> List[str]:
        rows = ask(host, self, self.of, "SELECT extname FROM pg_extension ORDER BY oid")
        return [row[0] for row in rows or ()]

    def _comment(self, host: "System", text: str) -> None:
        statement = "COMMENT ON DATABASE %s IS %s" % (identifier(self.name), literal(text))
        execute(host, self, "postgres", statement)

    def _said(self, host: "System") -> "str | None":
        """Return the comment of the database; None if there is no such database."""
        query = (
            "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = %s"
        )
        rows = ask(host, self, "postgres", query % literal(self.name))
        return rows[0][0] if rows else None
