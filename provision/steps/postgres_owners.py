"""Owners of schemas, tables, sequences and functions in PostgreSQL; roles call them by postgres.py. Shipped to
hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Dict, List, NamedTuple, Sequence

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

#: all that commands before a step may make, in a plan
NEW = "what comes"
#: objects that belong to an extension: it decides what they are
OF_EXTENSION = (
    "SELECT 1 FROM pg_depend d WHERE d.classid = '%s'::regclass AND d.objid = o.oid AND d.deptype = 'e'"
)
#: sequences of a table's column have the table's owner
OF_COLUMN = (
    "SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = o.oid"
    " AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a','i')"
)
RELATIONS = "SELECT oid, relname AS name, oid::regclass::text AS shown, relowner AS owner FROM pg_class"
#: by kind: a query for the objects of a schema, and those of them that an owner is not given to
OBJECTS = {
    "schema": (
        "SELECT oid, nspname AS name, oid::regnamespace::text AS shown, nspowner AS owner FROM pg_namespace"
        " WHERE oid = {schema}",
        "pg_namespace",
    ),
    "tables": (
        RELATIONS + " WHERE relkind IN ('r','p','v','m','f') AND relnamespace = {schema}",
        "pg_class",
    ),
    "sequences": (
        RELATIONS + " o WHERE relkind = 'S' AND relnamespace = {schema} AND NOT EXISTS (%s)" % OF_COLUMN,
        "pg_class",
    ),
    "functions": (
        "SELECT oid, proname AS name, oid::regprocedure::text AS shown, proowner AS owner FROM pg_proc"
        " WHERE prokind IN ('f','p','w') AND pronamespace = {schema}",
        "pg_proc",
    ),
}
#: ALTER's word for one object; ALTER TABLE takes views, too
ONE = {"schema": "SCHEMA", "tables": "TABLE", "sequences": "SEQUENCE", "functions": "ROUTINE"}


class Belonging(NamedTuple):
    """An object of another owner. name: without its schema.  shown: in SQL.  owner: a role."""

    name: str
    shown: str
    owner: str


@wanted()
class Owner(Step):
    """The owner of a schema in a database of PostgreSQL, or of what is in it.

        postgres.owner(c, "shop", "shop", on="tables", names=["orders", "customers"])
        postgres.owner(c, "shop", "shop", schema="archive")

    role: who is to own them.  database: where.
    on: "schema" itself, or all "tables" (views too), "sequences" or "functions" that it has now.
    schema: which.  names: of single tables, sequences or functions instead of all; of functions of one name all.
    A sequence that a column of a table owns has the table's owner. Objects of extensions stay, unless they are
    named. A plan says "may change" of what commands before this step may still make.
    port, user: as of postgres.role.  Undo leaves owners as they are.
    postgres.database(owner=...) is for databases, postgres.role(present=False, reassign_owned_to=...) for all
    that a role owns.  Source: PostgreSQL's manual, ALTER TABLE, ALTER SCHEMA, pg_depend.
    """

    role: str
    database: str
    on: str = "schema"
    schema: str = "public"
    names: Sequence[str] = ()
    port: int = 5432
    user: str = "postgres"

    def label(self) -> str:
        what = "schema %s" % self.schema if self.on == "schema" else "%s of %s" % (self.on, self.schema)
        named = " %s" % listed(self.names) if self.names else ""
        return "postgres owner of %s%s in %s" % (what, named, self.database)

    def validate(self) -> None:
        check_server(self.port, self.user)
        for name in (self.role, self.database, self.schema, *self.names):
            check_identifier(name)
        if self.on not in OBJECTS:
            raise ValueError("on must be one of %s, not %r" % (", ".join(OBJECTS), self.on))
        if isinstance(self.names, str) or (self.names and self.on == "schema"):
            raise ValueError("names is a list of tables, sequences or functions")

    def check(self, host: "System") -> Diff:
        require_role(host, self, self.role)
        require_database(host, self, self.database)
        others = self._others(host)
        found = [Change("owner of %s" % each.shown, each.owner, self.role) for each in others]
        if self.on != "schema" and not self.names and commands_run(host):
            # all of them: commands before this step may make some
            known = self._foreseen(host).get(NEW) == self.role
            found += [] if known else [Change("owner of %s" % NEW, "", self.role)]
            return Diff(found, why=LATER, maybe=True) if found else Diff.none("%s owns it" % self.role)
        maybe = any(not each.owner for each in others)
        why = LATER if maybe else ""
        return Diff(found, why=why, maybe=maybe) if found else Diff.none("%s owns it" % self.role)

    def apply(self, host: "System", diff: Diff) -> None:
        if host.planned:
            prefix = len("owner of ")
            self._foreseen(host).update((change.what[prefix:], self.role) for change in diff.changes)
            return
        role = identifier(self.role)
        words = ["ALTER %s %s OWNER TO %s" % (ONE[self.on], each.shown, role) for each in self._others(host)]
        # all of them, or none
        execute(host, self, self.database, "BEGIN; %s; COMMIT" % "; ".join(words))

    def fingerprint(self, host: "System") -> str:
        return signature(self)

    def _foreseen(self, host: "System") -> Dict[str, str]:
        """In a plan: owners that earlier steps will have given."""
        return picture(host, self, "owners", self.database, self.on, self.schema)

    def _others(self, host: "System") -> List[Belonging]:
        """Return the objects that another role owns. Raises StepError if one that is named does not exist.

        In a plan, those that commands before this step may make are among them.
        """
        there, foreseen = schema_exists(host, self), self._foreseen(host)
        found = self._found(host) if there or self.on != "schema" else [self._to_come(self.schema)]
        if self.names:
            found += map(self._to_come, lacking(host, self, [each.name for each in found]))
        found = [
            each._replace(owner=foreseen.get(each.shown, self._heir(host, each.owner))) for each in found
        ]
        return [each for each in found if each.owner != self.role]

    def _found(self, host: "System") -> List[Belonging]:
        """Return what the database has of them, of any owner."""
        query, catalog = OBJECTS[self.on]
        query = query.format(schema="to_regnamespace(%s)" % literal(identifier(self.schema)))
        words = "SELECT name, shown, pg_get_userbyid(owner) FROM (%s) AS o" % query
        if self.names:
            words += " WHERE name IN (%s)" % ", ".join(map(literal, self.names))
        elif self.on != "schema":
            words += " WHERE NOT EXISTS (%s)" % (OF_EXTENSION % catalog)
        rows = ask(host, self, self.database, words + " ORDER BY shown")
        if rows is None:
            # it is still to be made, of template0
            owner = "pg_database_owner" if self.schema == "public" else self.user
            return [Belonging(self.schema, identifier(self.schema), owner)] if self.on == "schema" else []
        return [Belonging(*row) for row in rows]

    def _to_come(self, name: str) -> Belonging:
        """Return what a command before this step may make, of an owner that no plan knows."""
        inner = self.on != "schema" and self.schema != "public"
        return Belonging(
            name, "%s%s" % (identifier(self.schema) + "." if inner else "", identifier(name)), ""
        )

    def _heir(self, host: "System", owner: str) -> str:
        """In a plan: the role to which earlier steps will have given what a role owned."""
        while owner and picture(host, self, "role", owner).get("heir"):
            owner = picture(host, self, "role", owner)["heir"]
        return owner
