"""A project's manage.py, as prov has its chores run. Made by prov.

What the front sees to is not a finding of `check --deploy`, and a project without a database has nothing to migrate.
`migrate --check` ends with 1 if there is something to migrate, and with 3 if that can't be told. `migrate --sql` prints
what pending migrations would do, as a line of JSON after ANSWERS. Neither changes anything.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from django.core.checks.messages import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError

#: ids of Django's checks that something before the application answers for ("System check framework", "Security")
COVERED = os.environ.get("PROV_COVERED", "").split()
HINT = (
    "Settle these, or name them in SILENCED_SYSTEM_CHECKS. `django: {check_deploy: false}` in the inventory switches "
    "the check off for this application.\n"
    # reports begin with the last line
    "Django's check --deploy has findings"
)


DATABASE_HINT = (
    "A release is read-only, and the next one would not have what is in it. Keep the database in the data folder: "
    '"NAME": os.path.join(os.environ["PROV_DATA_DIR"], "db.sqlite3").\n'
    "the SQLite database is in a folder that the application cannot write to"
)
#: how the line with pending migrations begins, and the most characters of each one's SQL
ANSWERS, MOST = "PROV-MIGRATIONS ", 40000
#: errors of a folder that the user may not write to
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


class Checks:
    """Messages of Django's checks, as they were before."""

    is_silenced = CheckMessage.is_silenced


def is_silenced(message: CheckMessage) -> bool:
    """Whether a message is none."""
    return message.id in COVERED or bool(Checks.is_silenced(message))


def has_database() -> bool:
    """Whether the project names one."""
    from django.conf import settings

    return any(
        each.get("ENGINE", "").rpartition(".")[2] != "dummy" for each in settings.DATABASES.values() if each
    )


def sqlite_file() -> Path | None:
    """The file of the default database, if it is one of SQLite's."""
    from django.conf import settings

    default = settings.DATABASES.get("default", {})
    name = str(default.get("NAME") or ":memory:")
    on_disk = ":memory:" not in name and not name.startswith("file:")
    return Path(name) if default.get("ENGINE", "").endswith("sqlite3") and on_disk else None


def lacks_file() -> bool:
    """Whether the file of the default database is not there: to ask SQLite would make an empty one."""
    file = sqlite_file()
    return file is not None and not file.exists()


def is_in_release() -> bool:
    """Whether the default database is a file of SQLite's in the project, or where the user can't write."""
    file = sqlite_file()
    return file is not None and (Path.cwd() in file.absolute().parents or not os.access(file.parent, os.W_OK))


def unwritable(error: OSError) -> str:
    """Return what to do if collectstatic cannot write."""
    from django.conf import settings

    root = os.path.relpath(settings.STATIC_ROOT)
    prefix = "/" + (settings.STATIC_URL or "static/").strip("/") + "/"
    where = "a folder of the project" if root.startswith("..") else f"`static: {{{prefix}: {root}}}`"
    return (
        f"{error}\n"
        f"The application's user writes only to the folders that `static` names. Write {where} in the inventory, or "
        "set STATIC_ROOT to a folder that it names.\n"
        f"collectstatic could not write to STATIC_ROOT, {settings.STATIC_ROOT}"
    )


def check_migrated(manage: str) -> None:
    """Ask a project whether its database lacks migrations. Raises SystemExit: 0, 1, or 3 with why it can't be told."""
    sys.path.insert(0, str(Path(manage).absolute().parent))
    try:
        if lacks_file():
            raise SystemExit(1)
        if django.VERSION >= (3, 1):
            # models are enough: to check the system would import all of the URLs, too
            main(manage, "migrate", "--check", "--skip-checks")
            raise SystemExit(0)
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            main(manage, "showmigrations", "--plan", "--skip-checks")
        raise SystemExit(1 if "[ ]" in shown.getvalue() else 0)
    except Exception:
        traceback.print_exc()
        raise SystemExit(3) from None


def tell_sql(manage: str) -> None:
    """Print what a project's pending migrations would do: Django's own `migrate` is asked in place of run."""
    from django.core.management.commands import migrate

    found: list[dict[str, Any]] = []
    why = "the project has a command migrate of its own"

    def handle(_: object, *arguments: object, **options: Any) -> None:
        nonlocal why
        found.extend(pending(options["database"]))
        why = ""

    if django.VERSION < (3, 1):
        why = "it takes Django 3.1"
    elif not has_database():
        why = ""
    elif lacks_file():
        why = "the database does not exist yet"
    else:
        migrate.Command.handle = handle
        main(manage, "migrate", "--skip-checks")
    sys.stdout.write("\n" + ANSWERS + json.dumps({"migrations": found, "why": why}) + "\n")


def pending(alias: str) -> Iterator[dict[str, Any]]:
    """Yield the pending migrations of a database, in the order in which they are applied."""
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    with only_reading(alias, atomic=True):
        executor = MigrationExecutor(connections[alias])
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    for migration, _ in plan:
        code = [shown(each) for each in migration.operations if not each.reduces_to_sql]
        name, sql, why = f"{migration.app_label}.{migration.name}", "", ""
        try:
            sql = sql_of(alias, migration)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:1000]
        yield {"name": name, "sql": sql, "python": code, "why": why}


def shown(operation: Any) -> str:
    """What an operation is that no SQL stands for: `RunPython fill_prices`."""
    code = getattr(getattr(operation, "code", None), "__name__", "")
    return f"{type(operation).__name__} {code}".strip()


def sql_of(alias: str, migration: Any) -> str:
    """The statements of a migration; "" if it has none."""
    from django.core.management import call_command

    with io.StringIO() as printed, only_reading(alias, atomic=migration.atomic):
        named = (migration.app_label, migration.name)
        call_command("sqlmigrate", *named, database=alias, stdout=printed, no_color=True)
        sql = printed.getvalue().strip()
    lines = [line for line in sql.splitlines() if line and not line.startswith("--")]
    if not [line for line in lines if line not in ("BEGIN;", "COMMIT;")]:
        return ""
    return sql if len(sql) <= MOST else f"{sql[:MOST]}\n-- and {len(sql) - MOST} more characters"


@contextlib.contextmanager
def only_reading(alias: str, *, atomic: bool) -> Iterator[None]:
    """Have SQLite and PostgreSQL refuse changes. PostgreSQL can for a transaction alone: a pooler may hand a session
    on. atomic: whether what follows can be in one."""
    from django.db import connections, transaction

    connection = connections[alias]
    with contextlib.ExitStack() as until:
        if connection.vendor == "sqlite":
            # its schema editor refuses to be in a transaction
            connection.cursor().execute("PRAGMA query_only = ON")
            # a transaction that begins as IMMEDIATE writes
            connection.transaction_mode = None
        elif atomic:
            until.enter_context(transaction.atomic(using=alias))
            if connection.vendor == "postgresql":
                connection.cursor().execute("SET TRANSACTION READ ONLY")
        yield
        if connection.in_atomic_block:
            transaction.set_rollback(True, using=alias)


def main(manage: str, *arguments: str) -> None:
    """Run manage.py with these arguments."""
    sys.argv = [manage, *arguments]
    sys.path.insert(0, str(Path(manage).absolute().parent))
    CheckMessage.is_silenced = is_silenced
    try:
        runpy.run_path(manage, run_name="__main__")
    except SystemExit as end:
        if end.code and arguments[0] == "check":
            raise SystemExit(HINT) from None
        raise
    except ImproperlyConfigured:
        if arguments[0] != "migrate" or has_database():
            raise
    except OSError as error:
        if arguments[0] != "collectstatic" or error.errno not in UNWRITABLE:
            raise
        raise SystemExit(unwritable(error)) from None
    except OperationalError as error:
        if not is_in_release():
            raise
        raise SystemExit(f"{error}\n{DATABASE_HINT}") from None


if __name__ == "__main__":
    if sys.argv[2:] == ["migrate", "--check"]:
        check_migrated(sys.argv[1])
    if sys.argv[2:] == ["migrate", "--sql"]:
        # settings are beside manage.py
        sys.path.insert(0, str(Path(sys.argv[1]).absolute().parent))
        tell_sql(sys.argv[1])
        raise SystemExit(0)
    main(*sys.argv[1:])
