"""psql(1) for the steps of postgres.py: questions, changes, quoting, passwords. Shipped to hosts."""

import hashlib
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Step, check_text
from provision.system.command_execution import failure

if TYPE_CHECKING:
    from provision.system.command_execution import Result
    from provision.system.host import System

PSQL = "/usr/bin/psql"
#: what ends a field and a row in psql's output: names may have all else in them
FIELD, ROW = "\x1f", "\x1e"
#: what PostgreSQL itself takes for a new password (scram_iterations)
ITERATIONS = 4096
#: psql's picture of the place of an error: two lines
STATEMENT = re.compile(r"(?m)^LINE \d+: .*\n.*\n?")
#: words of an error, and what to do then
HINTS = (
    (
        ("permission denied to set parameter",),
        "The role postgres is not a superuser any more. Make it one in single-user mode: postgres --single.",
    ),
    (
        ("could not connect", "Is the server running", "Connection refused"),
        "Does the server run, on this port? `pg_lsclusters` on the host tells.",
    ),
    (
        ("is not available", "could not open extension"),
        "Install the package that brings it, often postgresql-contrib.",
    ),
)
#: passwords that are hashed already (PostgreSQL's manual, CREATE ROLE)
HASHED = re.compile(
    r"md5[0-9a-f]{32}\Z|SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}\Z"
)
USER = re.compile(r"^[a-z_][a-z0-9_-]*\Z")


def ask(host: "System", s: Any, database: str, query: str) -> Optional[List[List[str]]]:
    """Rows that a query gives. None in a plan in which there is no such server, or database, yet. StepError."""
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
    # the last row ends with a newline: without one there are no rows, with it there may be an empty one
    found = result.stdout[:-1] if result.stdout.endswith("\n") else result.stdout
    return [row.split(FIELD) for row in found.split(ROW)] if result.stdout else []


def execute(host: "System", s: Any, database: str, statements: str) -> None:
    """Change something. Raises StepError, which does not show the statements."""
    result = host.run(argv(s, database), user=s.user, stdin=statements.encode(), environment=environment(s))
    if result.status:
        raise explained(result, s.label())


def picture(host: "System", s: Any, *what: str) -> Dict[str, Any]:
    """What earlier steps of a plan have made of something of a server, such as ("role", "shop").

    Its "exists" is whether it is there then. Empty in a deploy: there the server itself can tell.
    """
    known: Dict[Any, Dict[str, Any]] = vars(host).setdefault("postgres", {})
    return known.setdefault((s.port, *what), {})


def is_pictured(host: "System") -> bool:
    """Whether earlier steps of this plan have made something of a server."""
    return any(vars(host).get("postgres", {}).values())


def role_exists(host: "System", s: Any, name: str) -> bool:
    """Whether the server has a role of that name, or will have."""
    foreseen = picture(host, s, "role", name).get("exists")
    if foreseen is not None:
        return bool(foreseen)
    rows = ask(host, s, "postgres", "SELECT 1 FROM pg_roles WHERE rolname = %s" % literal(name))
    # a new server has its own roles only
    return bool(rows) if rows is not None else name == s.user or name.startswith("pg_")


def require_role(host: "System", s: Any, *names: str) -> None:
    """Raise StepError unless the server has roles of these names."""
    for name in names:
        if not role_exists(host, s, name):
            raise StepError(
                "PostgreSQL has no role %s" % name, hint="Add postgres.role(c, %r) before this step." % name
            )


def require_database(host: "System", s: Any, name: str) -> None:
    """Raise StepError if it is known that the server will have no such database. Others show when they are asked."""
    foreseen = picture(host, s, "database", name).get("exists")
    new = foreseen is None and ask(host, s, "postgres", "SELECT 1") is None
    if foreseen is False or (new and name not in ("postgres", "template1")):
        raise StepError(
            "PostgreSQL has no database %s" % name,
            hint="Add postgres.database(c, %r) before this step." % name,
        )


def argv(s: Any, database: str) -> List[str]:
    """psql that reads no file of its user's, stops at the first error, and prints plain rows."""
    options = ["-X", "-q", "-A", "-t", "-F", FIELD, "-R", ROW, "-v", "ON_ERROR_STOP=1"]
    return [PSQL, *options, "-p", str(s.port), "-d", "dbname='%s'" % conninfo(database), "-f", "-"]


def environment(s: Any) -> Dict[str, str]:
    """The server's words in English, whatever its locale: hints depend on them. Superusers may say so."""
    return {"PGOPTIONS": "-c lc_messages=C"} if s.user == "postgres" else {}


def conninfo(text: str) -> str:
    """Text as a quoted value of a connection string, so that it can't bring parameters of its own."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def explained(result: "Result", doing: str) -> StepError:
    """psql's failure, with what to do about the common ones, and without the statement, which may hold a verifier."""
    result = result._replace(stderr=STATEMENT.sub("", result.stderr))
    hint = next((hint for words, hint in HINTS if any(word in result.stderr for word in words)), "")
    return failure("%s failed" % doing, result, hint)


def signature(s: Any) -> str:
    """What a step asks for, as a hash."""
    found = []
    for f in fields(s):
        value = getattr(s, f.name)
        if f.name not in Step.__dataclass_fields__:
            found.append("%s=%r" % (f.name, value.reveal() if isinstance(value, Secret) else value))
    return hashlib.sha256(";".join(found).encode()).hexdigest()


def identifier(name: str) -> str:
    """A quoted identifier of SQL."""
    return '"%s"' % name.replace('"', '""')


def literal(text: str) -> str:
    """A quoted text of SQL, whatever standard_conforming_strings is."""
    quoted = text.replace("'", "''")
    return "'%s'" % quoted if "\\" not in text else " E'%s'" % quoted.replace("\\", "\\\\")


def check_identifier(name: str) -> None:
    """Raise ValueError unless PostgreSQL can have something of that name."""
    check_text(name, "name")
    if len(name.encode()) > 63:
        raise ValueError("%r is longer than the 63 bytes that PostgreSQL keeps of a name" % name)


def check_server(port: int, user: str) -> None:
    """Raise ValueError unless psql can be run like that."""
    if not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("port must be a number from 1 to 65535, not %r" % (port,))
    if not USER.match(user):
        raise ValueError("%r is not a user of the host" % user)


def scram(password: str, salt: bytes, iterations: int) -> str:
    """The verifier that PostgreSQL keeps of a password (RFC 5803, pg_authid)."""
    import base64
    import hmac
    import unicodedata

    # of SASLprep (RFC 4013) what matters in practice
    data = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", data, salt, iterations)
    stored = hashlib.sha256(hmac.new(salted, b"Client Key", "sha256").digest()).digest()
    server = hmac.new(salted, b"Server Key", "sha256").digest()
    words = [base64.b64encode(each).decode() for each in (salt, stored, server)]
    return "SCRAM-SHA-256$%d:%s$%s:%s" % (iterations, words[0], words[1], words[2])


def verifier(password: str) -> str:
    """What the server is to keep of a password: a new verifier, or the password itself if it is one."""
    import os

    return password if HASHED.match(password) else scram(password, os.urandom(16), ITERATIONS)


def matches(password: str, name: str, stored: str) -> bool:
    """Whether what the server keeps is of this password, which may itself be what it keeps."""
    import base64

    found = re.match(r"^SCRAM-SHA-256\$(\d+):([^$]+)\$", stored)
    if HASHED.match(password):
        return password == stored
    if found:
        return scram(password, base64.b64decode(found.group(2)), int(found.group(1))) == stored
    return stored == "md5" + hashlib.md5((password + name).encode()).hexdigest()
