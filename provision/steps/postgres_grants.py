"""Privileges in PostgreSQL; roles call them by postgres.py. Shipped to hosts (Python 3.8, standard
library)."""

from typing import TYPE_CHECKING, List, Optional, Sequence, Set

from provision.steps.base import Change, Diff, Step, listed, wanted
from provision.steps.support.foresight import commands_run
from provision.steps.support.psql import (
    LATER,
    ask,
    check_identifier,
    check_server,
    execute,
    identifier,
    lacking,
    literal,
    picture,
    require_database,
    require_role,
    schema_exists,
    signature,
)

if TYPE_CHECKING:
    from provision.system.host import System

#: GRANT of PostgreSQL, what it takes by kind of object
PRIVILEGES = {
    "database": ("CREATE", "CONNECT", "TEMPORARY"),
    "schema": ("CREATE", "USAGE"),
    "tables": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "sequences": ("USAGE", "SELECT", "UPDATE"),
    "functions": ("EXECUTE",),
}
#: objects with their names and lists of rights, by kind: catalog, kinds in it, and acldefault's letter
OBJECTS = {
    "database": ("SELECT oid, datname AS name, datacl AS acl, datdba AS owner FROM pg_database", "d"),
    "schema": ("SELECT oid, nspname AS name, nspacl AS acl, nspowner AS owner FROM pg_namespace", "n"),
    "tables": (
        "SELECT oid, relname AS name, relacl AS acl, relowner AS owner FROM pg_class"
        " WHERE relkind IN ('r','p','v','m','f') AND relnamespace = to_regnamespace(%s)",
        "r",
    ),
    "sequences": (
        "SELECT oid, relname AS name, relacl AS acl, relowner AS owner FROM pg_class"
        " WHERE relkind = 'S' AND relnamespace = to_regnamespace(%s)",
        "s",
    ),
    "functions": (
        "SELECT oid, proname AS name, proacl AS acl, proowner AS owner FROM pg_proc"
        " WHERE prokind IN ('f','a','w') AND pronamespace = to_regnamespace(%s)",
        "f",
    ),
}
#: GRANT's word for one object
ONE = {
    "tables": "TABLE",
    "sequences": "SEQUENCE",
    "functions": "FUNCTION",
    "schema": "SCHEMA",
    "database": "DATABASE",
}
#: stands for everyone
PUBLIC = "public"
#: what everyone may do with a new database, and with its schema public (PostgreSQL's manual, "Privileges")
EVERYBODY = {"database": ("CONNECT", "TEMPORARY"), "schema": ("USAGE",)}


class Privileged:
    """What steps on privileges have in common: a role, a server, and how both are named."""

    role: str
    privileges: Sequence[str]
    database: str
    on: str
    schema: str
    port: int
    user: str
    present: bool

    def check_privileges(self, kinds: Sequence[str]) -> None:
        """Raise ValueError unless these can be granted."""
        check_server(self.port, self.user)
        for name in (self.role, self.database, self.schema or "public"):
            check_identifier(name)
        if self.on not in kinds:
            raise ValueError("on must be one of %s, not %r" % (", ".join(kinds), self.on))
        if isinstance(self.privileges, str) or not self.privileges:
            raise ValueError("privileges must be a list")
        for privilege in self.privileges:
            if privilege not in PRIVILEGES[self.on]:
                known = ", ".join(PRIVILEGES[self.on])
                raise ValueError("%r is not a privilege on %s: %s" % (privilege, self.on, known))

    def require(self, host: "System", *roles: str) -> None:
        """Raise StepError unless there are these roles, the one that is granted to, and the database."""
        require_role(host, self, *(name for name in (self.role, *roles) if name != PUBLIC))
        require_database(host, self, self.database)

    @property
    def grantee(self) -> str:
        """The role in SQL."""
        return "PUBLIC" if self.role == PUBLIC else identifier(self.role)

    @property
    def grantee_id(self) -> str:
        """The role in lists of rights."""
        return "0" if self.role == PUBLIC else "%s::regrole" % literal(identifier(self.role))

    def place(self) -> List[str]:
        """What a plan's picture of these privileges goes by."""
        raise NotImplementedError

    def changed(self, host: "System", has: Set[str]) -> Diff:
        """Return what has to be granted, or taken back. has: what the server says that the role has."""
        foreseen = picture(host, self, *self.place())
        wrong = [each for each in self.privileges if foreseen.get(each, each in has) != self.present]
        words = [("", each) if self.present else (each, "") for each in wrong]
        none = "has them" if self.present else "has none of them"
        return Diff([Change("privilege", *pair) for pair in words]) if words else Diff.none(none)

    def foresee(self, host: "System", diff: Diff) -> None:
        """In a plan: what a diff will have granted, or taken back."""
        if host.planned:
            done = dict.fromkeys([c.after or c.before for c in diff.changes], self.present)
            picture(host, self, *self.place()).update(done)

    def words(self, diff: Diff) -> str:
        """GRANT or REVOKE of what a diff says, up to the object."""
        verb = "GRANT" if self.present else "REVOKE"
        return "%s %s" % (verb, ", ".join(c.after or c.before for c in diff.changes))

    @property
    def to(self) -> str:
        """The end of the statement."""
        return "%s %s" % ("TO" if self.present else "FROM", self.grantee)


@wanted()
class Grant(Privileged, Step):
    """Privileges of a role in a database of PostgreSQL.

        postgres.grant(c, "report", ["SELECT"], "shop", on="tables")
        postgres.grant(c, "report", ["SELECT"], "shop", on="tables", names=["orders", "customers"])
        postgres.grant(c, "public", ["CONNECT"], "shop", present=False)

    role: who gets them; "public" is everyone.  privileges: as in GRANT: "SELECT", "USAGE", "CONNECT"...
    database: where.
    on: "database", "schema", or all "tables" (views too), "sequences" or "functions" that the schema has now:
    a later run finds new ones; postgres.default_privileges is for future ones.
    schema: which.  names: of single tables, sequences or functions instead of all.
    A plan says "may change" of what commands before this step may still make, such as migrations.
    present: False revokes them. Only grants to this very role count: rights of everyone, or of
    roles that it is a member of, are neither enough nor revoked.
    port, user: as of postgres.role.  Source: PostgreSQL's manual, GRANT, REVOKE, aclexplode.
    """

    role: str
    privileges: Sequence[str]
    database: str
    on: str = "database"
    schema: str = "public"
    port: int = 5432
    user: str = "postgres"
    present: bool = True
    names: Sequence[str] = ()

    def label(self) -> str:
        shown = "%s %s" % (self.on, listed(self.names)) if self.names else self.on
        return "postgres %s on %s of %s %s %s" % (
            "grant" if self.present else "revoke",
            shown,
            self.database,
            "to" if self.present else "from",
            self.role,
        )

    def validate(self) -> None:
        self.check_privileges(tuple(PRIVILEGES))
        if isinstance(self.names, str) or (self.names and self.on in ("database", "schema")):
            raise ValueError("names is a list of tables, sequences or functions")
        for name in self.names:
            check_identifier(name)

    def check(self, host: "System") -> Diff:
        self.require(host)
        there = self.on == "database" or schema_exists(host, self)
        rows = ask(host, self, self.database, "SELECT name FROM (%s) AS o" % self._objects()) if there else []
        missing = lacking(host, self, [row[0] for row in rows or ()])
        every = self.on not in ("database", "schema") and not self.names
        if not there or missing or (every and commands_run(host)):
            # commands before this step may make them, and default privileges may then be all that they need
            diff = self.changed(host, set() if self.present else set(self.privileges))
            return diff._replace(why=LATER, maybe=True) if diff else diff
        granted = self._of_a_new_one(host) if rows is None else self._granted(host, bool(rows))
        return self.changed(host, granted)

    def apply(self, host: "System", diff: Diff) -> None:
        schema = identifier(self.schema)
        if self.on in ("database", "schema"):
            what = "%s %s" % (ONE[self.on], identifier(self.database) if self.on == "database" else schema)
        elif self.names:
            what = "%s %s" % (ONE[self.on], ", ".join("%s.%s" % (schema, identifier(n)) for n in self.names))
        else:
            what = "ALL %s IN SCHEMA %s" % (self.on.upper(), schema)
        execute(host, self, self.database, "%s ON %s %s" % (self.words(diff), what, self.to))
        self.foresee(host, diff)

    def fingerprint(self, host: "System") -> str:
        return signature(self)

    def place(self) -> List[str]:
        schema = "" if self.on == "database" else self.schema
        return ["rights", self.database, self.on, schema, "\0".join(sorted(self.names)), self.role]

    def _objects(self) -> str:
        """A query for the objects that it is about, in its database."""
        query, letter = OBJECTS[self.on]
        query = query % literal(identifier(self.schema)) if "%s" in query else query
        name = {"database": [self.database], "schema": [self.schema]}.get(self.on, self.names)
        words = "SELECT oid, name, coalesce(acl, acldefault('%s', owner)) AS acl FROM (%s) AS every" % (
            letter,
            query,
        )
        return words + (" WHERE name IN (%s)" % ", ".join(map(literal, name)) if name else "")

    def _granted(self, host: "System", some: bool) -> Set[str]:
        """Which of the privileges the role itself was granted: on one object at least, or on all of them.

        some: whether there are such objects.
        """
        if not role_is_real(host, self, self.role):
            # of all objects, where there are none
            return set(self.privileges) if not some and self.present else set()
        query = (
            "SELECT p.word FROM (VALUES %s) AS p(word) WHERE %s (SELECT 1 FROM (%s) AS o WHERE %s EXISTS"
            " (SELECT 1 FROM aclexplode(o.acl) AS a WHERE a.grantee = %s AND a.privilege_type = p.word))"
        )
        words = ", ".join("(%s)" % literal(privilege) for privilege in self.privileges)
        verbs = ("NOT EXISTS", "NOT") if self.present else ("EXISTS", "")
        found = ask(
            host, self, self.database, query % (words, verbs[0], self._objects(), verbs[1], self.grantee_id)
        )
        return {row[0] for row in found or ()}

    def _of_a_new_one(self, host: "System") -> Set[str]:
        """What a role was granted in a database that is still to be made, of template0."""
        if self.on in ("tables", "sequences", "functions"):
            return set(self.privileges) if self.present else set()
        owner = picture(host, self, "database", self.database).get("owner")
        # the schema public is of pg_database_owner
        everything = self.on == "database" and self.role == owner
        return set(PRIVILEGES[self.on] if everything else EVERYBODY[self.on] if self.role == PUBLIC else ())


@wanted()
class DefaultPrivileges(Privileged, Step):
    """Privileges that a role will have on objects that another role creates in a PostgreSQL database from now
    on.

        postgres.default_privileges(c, "report", ["SELECT"], "shop", owner="shop", on="tables")

    role: who gets them; "public" is everyone.  privileges, database: as of postgres.grant.
    owner: the role that will make the objects.  on: "tables" (views too), "sequences" or "functions".
    schema: in which; "" is in all of them.
    present: False takes them back.  port, user: as of postgres.role.
    Use postgres.grant for those that exist.  Source: PostgreSQL's manual, ALTER DEFAULT PRIVILEGES,
    pg_default_acl.
    """

    role: str
    privileges: Sequence[str]
    database: str
    owner: str
    on: str = "tables"
    schema: str = "public"
    port: int = 5432
    user: str = "postgres"
    present: bool = True

    def label(self) -> str:
        words = (self.on, self.owner, self.database, self.role)
        return "postgres default privileges on %s of %s in %s for %s" % words

    def validate(self) -> None:
        self.check_privileges(("tables", "sequences", "functions"))
        check_identifier(self.owner)

    def check(self, host: "System") -> Diff:
        self.require(host, self.owner)
        there = not self.schema or schema_exists(host, self)
        return self.changed(host, self._has(host) if there else set())

    def apply(self, host: "System", diff: Diff) -> None:
        schema = " IN SCHEMA %s" % identifier(self.schema) if self.schema else ""
        whose = "ALTER DEFAULT PRIVILEGES FOR ROLE %s%s" % (identifier(self.owner), schema)
        words = "%s %s ON %s %s" % (whose, self.words(diff), self.on.upper(), self.to)
        execute(host, self, self.database, words)
        self.foresee(host, diff)

    def fingerprint(self, host: "System") -> str:
        return signature(self)

    def place(self) -> List[str]:
        return ["defaults", self.database, self.on, self.schema, self.owner, self.role]

    def _has(self, host: "System") -> Set[str]:
        """Which of the privileges the role will have by a rule for just this owner and schema."""
        _, letter = OBJECTS[self.on]
        where = "%s::regnamespace" % literal(identifier(self.schema)) if self.schema else "0"
        owner = "%s::regrole" % literal(identifier(self.owner))
        none = "NULL::aclitem[]" if self.schema else "acldefault('%s', %s)" % (letter, owner)
        rule = (
            "SELECT defaclacl FROM pg_default_acl"
            " WHERE defaclrole = %s AND defaclnamespace = %s AND defaclobjtype = '%s'"
        ) % (owner, where, letter.upper() if letter == "s" else letter)
        query = "SELECT privilege_type FROM aclexplode(coalesce((%s), %s)) WHERE grantee = %s"
        rows: "Optional[List[List[str]]]" = None
        if all(role_is_real(host, self, name) for name in (self.role, self.owner)):
            rows = ask(host, self, self.database, query % (rule, none, self.grantee_id))
        everywhere = not self.schema and (
            self.role == self.owner or (self.role, self.on) == (PUBLIC, "functions")
        )
        if rows is None:
            return set(self.privileges) if everywhere else set()
        return {row[0] for row in rows}


def role_is_real(host: "System", s: Privileged, name: str) -> bool:
    """Whether the server itself has the role, not only a plan's picture; everyone is always there."""
    query = "SELECT 1 FROM pg_roles WHERE rolname = %s" % literal(name)
    return name == PUBLIC or bool(ask(host, s, "postgres", query))
