"""psql(1) for the steps of postgres.py: queries, changes, quoting, passwords. Shipped to hosts."""

import hashlib
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Step, check_text, listed
from provision.steps.support.foresight import may_be_made
from provision.system.command_execution import failure

if TYPE_CHECKING:
    from provision.system.command_execution import Result
    from provision.system.host import System

PSQL = "/usr/bin/psql"
#: separators of fields and rows in psql's output: names may contain any other character
FIELD, ROW = "\x1f", "\x1e"
#: what a new database has
SCHEMAS = ("public", "pg_catalog", "information_schema")
#: why a plan cannot tell what a step does with objects that commands before it may make
LATER = "known once the commands before it have run"
#: PostgreSQL's own default for a new password (scram_iterations)
ITERATIONS = 4096
#: two lines in which psql points at the place of an error
STATEMENT = re.compile(r"(?m)^LINE \d+: .*\n.*\n?")
#: words of an error, and the hint for it
HINTS = (
    (
        ("permission denied to set parameter",),
        "The role postgres is not a superuser any more. Make it one in single-user mode: postgres --single.",
    ),
    (
        ("could not connect", "Is the server running", "Connection refused"),
        "Check that the server runs, and on this port: `pg_lsclusters` on the host.",
    ),
    (
        ("is not available", "could not open extension"),
        "Install the package that brings it, often postgresql-contrib.",
    ),
)
#: passwords that are already hashed (PostgreSQL's manual, CREATE ROLE)
HASHED = re.compile(
    r"md5[0-9a-f]{32}\Z|SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}\Z"
)
USER = re.compile(r"^[a-z_][a-z0-9_-]*\Z")


def ask(host: "System", s: Any, database: str, query: str) -> Optional[List[List[str]]]:
    """Return a query's rows; None in a plan if the server or database is only planned. Raises StepError."""
    if not host.files.exists(PSQL):
        raise StepError(
            "this host has no PostgreSQL", hint='Add apt.packages(c, "postgresql") before this step.'
        )
    if host.planned:
        import pwd

        known = s.user in {entry.pw_name for entry in pwd.getpwall()}
        if not known or not host.runnable(PSQL) or "exists" in picture(host, s, "database", database):
            return None
    result = host.ask(
        argv(s, database), user=s.user, stdin=query.encode(), environment=environment(s), timeout=60
    )
    if result.status:
        raise explained(result, "asking PostgreSQL")
    # the last row ends with a newline: without one the result is empty, with it there may be one empty row
    found = result.stdout[:-1] if result.stdout.endswith("\n") else result.stdout
    return [row.split(FIELD) for row in found.split(ROW)] if result.stdout else []


def execute(host: "System", s: Any, database: str, statements: str) -> None:
    """Execute statements. Raises StepError, which does not show them."""
    result = host.run(argv(s, database), user=s.user, stdin=statements.encode(), environment=environment(s))
    if result.status:
        raise explained(result, s.label())


def picture(host: "System", s: Any, *what: str) -> Dict[str, Any]:
    """Return what earlier steps of a plan have made of an object of a server, such as ("role", "shop").

    Its "exists" is whether the object will then exist. Empty in a deploy, which can ask the server.
    """
    known: Dict[Any, Dict[str, Any]] = vars(host).setdefault("postgres", {})
    return known.setdefault((s.port, *what), {})


def is_pictured(host: "System") -> bool:
    """Return whether earlier steps of this plan have made something on a server."""
    return any(vars(host).get("postgres", {}).values())


def role_exists(host: "System", s: Any, name: str) -> bool:
    """Return whether the server has, or will have, a role of that name."""
    foreseen = picture(host, s, "role", name).get("exists")
    if foreseen is not None:
        return bool(foreseen)
    rows = ask(host, s, "postgres", "SELECT 1 FROM pg_roles WHERE rolname = %s" % literal(name))
    # a new server has its built-in roles only
    return bool(rows) if rows is not None else name == s.user or name.startswith("pg_")


def require_role(host: "System", s: Any, *names: str) -> None:
    """Raise StepError unless the server has roles of these names."""
    for name in names:
        if not role_exists(host, s, name):
            raise StepError(
                "PostgreSQL has no role %s" % name, hint="Add postgres.role(c, %r) before this step." % name
            )


def require_database(host: "System", s: Any, name: str) -> None:
    """Raise StepError if the server is known to lack the database. Otherwise the next query shows it."""
    foreseen = picture(host, s, "database", name).get("exists")
    new = foreseen is None and ask(host, s, "postgres", "SELECT 1") is None
    if foreseen is False or (new and name not in ("postgres", "template1")):
        raise StepError(
            "PostgreSQL has no database %s" % name,
            hint="Add postgres.database(c, %r) before this step." % name,
        )


def schema_exists(host: "System", s: Any) -> bool:
    """Return whether the step's database has its schema.

    False only in a plan whose commands may make it. Raises StepError if it will be missing.
    """
    query = "SELECT 1 WHERE to_regnamespace(%s) IS NOT NULL" % literal(identifier(s.schema))
    rows = ask(host, s, s.database, query)
    if s.schema in SCHEMAS if rows is None else rows:
        return True
    require_objects(host, "database %s has no schema %s" % (s.database, s.schema))
    return False


def lacking(host: "System", s: Any, found: Sequence[str]) -> List[str]:
    """Return those of the names of a step that are not found in its schema.

    Some only in a plan whose commands may make them. Raises StepError if they will be missing.
    """
    missing = [name for name in s.names if name not in found]
    if missing:
        what = (s.schema, s.database, s.on, listed(missing))
        require_objects(host, "schema %s of database %s has no %s: %s" % what)
    return missing


def require_objects(host: "System", complaint: str) -> None:
    """Raise StepError with the complaint, unless this is a plan whose commands may make what is missing."""
    if not may_be_made(host):
        raise StepError(complaint, hint="Add the step that makes them, such as migrations, before this step.")


def argv(s: Any, database: str) -> List[str]:
    """Return argv of psql that ignores its user's files, stops at the first error, and prints plain rows."""
    options = ["-X", "-q", "-A", "-t", "-F", FIELD, "-R", ROW, "-v", "ON_ERROR_STOP=1"]
    return [PSQL, *options, "-p", str(s.port), "-d", "dbname='%s'" % conninfo(database), "-f", "-"]


def environment(s: Any) -> Dict[str, str]:
    """Return the environment for English messages: hints depend on them. Only superusers may set this."""
    return {"PGOPTIONS": "-c lc_messages=C"} if s.user == "postgres" else {}


def conninfo(text: str) -> str:
    """Return text as a quoted value of a connection string, so that it cannot add parameters of its own."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def explained(result: "Result", doing: str) -> StepError:
    """Return psql's failure as an error, with hints, but without the statement: it may hold a verifier."""
    result = result._replace(stderr=STATEMENT.sub("", result.stderr))
    hint = next((hint for words, hint in HINTS if any(word in result.stderr for word in words)), "")
    return failure("%s failed" % doing, result, hint)


def signature(s: Any) -> str:
    """Return a hash of what a step declares."""
    found = []
    for f in fields(s):
        value = getattr(s, f.name)
        if f.name not in Step.__dataclass_fields__:
            found.append("%s=%r" % (f.name, value.reveal() if isinstance(value, Secret) else value))
    return hashlib.sha256(";".join(found).encode()).hexdigest()


def identifier(name: str) -> str:
    """Return a quoted SQL identifier."""
    return '"%s"' % name.replace('"', '""')


def literal(text: str) -> str:
    """Return a quoted SQL string, valid under any standard_conforming_strings."""
    quoted = text.replace("'", "''")
    return "'%s'" % quoted if "\\" not in text else " E'%s'" % quoted.replace("\\", "\\\\")


def check_identifier(name: str) -> None:
    """Raise ValueError unless it is a valid PostgreSQL name."""
    check_text(name, "name")
    if len(name.encode()) > 63:
        raise ValueError("%r is longer than the 63 bytes that PostgreSQL keeps of a name" % name)


def check_server(port: int, user: str) -> None:
    """Raise ValueError unless psql can be run with these arguments."""
    if not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("port must be a number from 1 to 65535, not %r" % (port,))
    if not USER.match(user):
        raise ValueError("%r is not a user of the host" % user)


def scram(password: str, salt: bytes, iterations: int) -> str:
    """Return the verifier that PostgreSQL stores for a password (RFC 5803, pg_authid)."""
    import base64
    import hmac
    import unicodedata

    # the part of SASLprep (RFC 4013) that matters in practice
    data = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", data, salt, iterations)
    stored = hashlib.sha256(hmac.new(salted, b"Client Key", "sha256").digest()).digest()
    server = hmac.new(salted, b"Server Key", "sha256").digest()
    words = [base64.b64encode(each).decode() for each in (salt, stored, server)]
    return "SCRAM-SHA-256$%d:%s$%s:%s" % (iterations, words[0], words[1], words[2])


def verifier(password: str) -> str:
    """Return what the server is to store: a new verifier, or the password itself if it is one."""
    import os

    return password if HASHED.match(password) else scram(password, os.urandom(16), ITERATIONS)


def matches(password: str, name: str, stored: str) -> bool:
    """Return whether the stored value is for this password, which may itself be a stored value."""
    import base64

    found = re.match(r"^SCRAM-SHA-256\$(\d+):([^$]+)\$", stored)
    if HASHED.match(password):
        return password == stored
    if found:
        return scram(password, base64.b64decode(found.group(2)), int(found.group(1))) == stored
    return stored == "md5" + hashlib.md5((password + name).encode()).hexdigest()
