"""psql(1) for the steps of postgres.py: questions, changes, quoting, passwords. Shipped to hosts."""

import hashlib
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import check_text
from provision.steps.support.foresight import foresee, foreseen
from provision.system.commands import failure

if TYPE_CHECKING:
    from provision.system.commands import Result
    from provision.system.host import System

PSQL = "/usr/bin/psql"
SEPARATOR = "\x1f"
#: what PostgreSQL itself takes for a new password (scram_iterations)
ITERATIONS = 4096
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
        if not known or not host.runnable(PSQL) or foreseen(host, "postgres database %s" % database):
            return None
    result = host.ask(
        argv(s, database), user=s.user, stdin=query.encode(), environment=environment(s), timeout=60
    )
    if result.status:
        raise explained(result, "asking PostgreSQL")
    return [line.split(SEPARATOR) for line in result.stdout.splitlines() if line]


def execute(host: "System", s: Any, database: str, statements: str) -> None:
    """Change something, and remember it in a plan. Raises StepError, which does not show the statements."""
    result = host.run(argv(s, database), user=s.user, stdin=statements.encode(), environment=environment(s))
    if result.status:
        raise explained(result, s.label())
    foresee(host, s.label(), signature(s))


def argv(s: Any, database: str) -> List[str]:
    """psql that reads no file of its user's, stops at the first error, and prints plain rows."""
    options = ["-X", "-q", "-A", "-t", "-F", SEPARATOR, "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse"]
    return [PSQL, *options, "-p", str(s.port), "-d", "dbname='%s'" % conninfo(database), "-f", "-"]


def environment(s: Any) -> Dict[str, str]:
    """The server's words in English, whatever its locale: hints depend on them. Superusers may say so."""
    return {"PGOPTIONS": "-c lc_messages=C"} if s.user == "postgres" else {}


def conninfo(text: str) -> str:
    """Text as a quoted value of a connection string, so that it can't bring parameters of its own."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def explained(result: "Result", doing: str) -> StepError:
    """psql's failure, with what to do about the common ones."""
    hint = ""
    if "could not connect" in result.stderr or "connection to server" in result.stderr:
        hint = "Does the server run, on this port? `pg_lsclusters` on the host tells."
    elif "is not available" in result.stderr or "could not open extension" in result.stderr:
        hint = "Install the package that brings it, often postgresql-contrib."
    return failure("%s failed" % doing, result, hint)


def is_foreseen(host: "System", s: Any) -> bool:
    """Whether an earlier step of this plan has done just this."""
    return foreseen(host, s.label()) == signature(s)


def signature(s: Any) -> str:
    """What a step asks for, as a hash."""
    found = []
    for f in fields(s):
        value = getattr(s, f.name)
        if f.name not in ("timeout", "when", "ignore_errors"):
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
    """A new verifier of a password."""
    import os

    return scram(password, os.urandom(16), ITERATIONS)


def matches(password: str, name: str, kept: str) -> bool:
    """Whether what the server keeps is of this password."""
    import base64

    found = re.match(r"^SCRAM-SHA-256\$(\d+):([^$]+)\$", kept)
    if found:
        return scram(password, base64.b64decode(found.group(2)), int(found.group(1))) == kept
    return kept == "md5" + hashlib.md5((password + name).encode()).hexdigest()
