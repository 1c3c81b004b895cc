"""A command that upgrades a database with Alembic or Flask-Migrate, as a question. Made by prov.

Its words are those of the command: alembic upgrade head; flask --app shop db upgrade; python -m alembic upgrade head.
Ends with 1 if the database lacks migrations, with 0 if it has them, and with 3 if that can't be told. Changes nothing.
With `--sql` before the words, it prints what pending migrations would do, as a line of JSON after ANSWERS.
"""

from __future__ import annotations

import io
import json
import os
import runpy
import sqlite3
import sys
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import alembic.command
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

DONE, DUE, UNKNOWN = 0, 1, 3
#: whether an upgrade would have something to do, for each that the command has asked for
FOUND: list[bool] = []
#: what pending migrations would do, with `--sql`
PENDING: list[dict[str, Any]] = []
#: how the line with that begins, and the most characters of each one's SQL
ANSWERS, MOST = "PROV-MIGRATIONS ", 40000


def upgrade(config: Any, revision: str, sql: bool = False, tag: str | None = None) -> None:
    """Stand for alembic.command.upgrade, with its arguments: note whether it would have something to do."""
    script = ScriptDirectory.from_config(config)

    def asked(rev: Any, context: Any) -> list[Any]:
        # the question that the original asks, too
        FOUND.append(bool(list(script._upgrade_revs(revision, rev))))
        return []

    # as alembic.command.current has it: without the table of versions, none is made
    with EnvironmentContext(config, script, fn=asked, dont_mutate=True):
        script.run_env()


def tell_sql(config: Any, revision: str, sql: bool = False, tag: str | None = None) -> None:
    """Stand for alembic.command.upgrade: note the SQL of what it would do, as `alembic upgrade --sql` has it."""
    script = ScriptDirectory.from_config(config)
    versions: list[str] = []
    steps: list[Any] = []

    def asked(rev: Any, context: Any) -> list[Any]:
        versions.extend(rev)
        steps.extend(script._upgrade_revs(revision, rev))
        return []

    def noting(rev: Any, context: Any) -> list[Any]:
        for step in steps:
            step.migration_fn = telling(step, context)
        return steps

    with EnvironmentContext(config, script, fn=asked, dont_mutate=True):
        script.run_env()
    FOUND.append(bool(steps))
    if steps:
        with EnvironmentContext(config, script, fn=noting, as_sql=True, starting_rev=versions or None):
            script.run_env()


def telling(step: Any, context: Any) -> Any:
    """Return what notes the SQL of a migration in place of the migration."""
    original, impl = step.migration_fn, context.impl

    def tell(**options: Any) -> None:
        impl.output_buffer, impl.literal_binds, why = io.StringIO(), True, ""
        try:
            original(**options)
        except Exception as error:
            # without a database, what it asks has no answer
            why = f"{type(error).__name__}: {error}"[:1000]
        statements = impl.output_buffer.getvalue().strip()
        # what Alembic itself notes of versions is not the migration's
        impl.output_buffer = io.StringIO()
        if len(statements) > MOST:
            statements = f"{statements[:MOST]}\n-- and {len(statements) - MOST} more characters"
        name = " ".join(filter(None, [step.revision.revision, step.revision.doc]))[:500]
        PENDING.append({"name": name, "sql": "" if why else statements, "python": [], "why": why})

    return tell


def only_read(connection: Any) -> None:
    """Have SQLite and PostgreSQL refuse changes within a transaction that begins."""
    statements = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET TRANSACTION READ ONLY"}
    if connection.dialect.name in statements:
        connection.exec_driver_sql(statements[connection.dialect.name])


def printed(why: str) -> None:
    """Print what has been told, or why it can't be."""
    sys.stdout.write("\n" + ANSWERS + json.dumps({"migrations": PENDING, "why": why}) + "\n")
    sys.stdout.flush()


def is_absent(database: Any) -> bool:
    """Return whether SQLite would make a new, empty file."""
    name = os.fsdecode(database) if isinstance(database, (str, bytes, os.PathLike)) else ""
    if name.startswith("file:"):
        parts = urlsplit(name)
        if "memory" in parse_qs(parts.query).get("mode", []):
            return False
        name = unquote(parts.path)
    return bool(name) and not name.startswith(":") and not Path(name).exists()


def without_new_files(connect: Any) -> Any:
    """Return sqlite3.connect, which ends the question where it would make a file: that lacks every migration."""

    def guarded(database: Any, *arguments: Any, **options: Any) -> Any:
        if is_absent(database):
            # libraries would take an exception for a failure, some in threads of their own
            if alembic.command.upgrade is tell_sql:
                printed("the database does not exist yet")
            os._exit(DUE)
        return connect(database, *arguments, **options)

    return guarded


def main(words: list[str]) -> int:
    """Run the command with the question in place of the upgrade, and return the exit status."""
    question = upgrade
    if words[:1] == ["--sql"]:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.listen(Engine, "begin", only_read)
        question, words = tell_sql, words[1:]
    module, rest = (words[2], words[3:]) if words[1:2] == ["-m"] else (Path(words[0]).name, words[1:])
    alembic.command.upgrade = question
    # Alembic's own programs find its commands by these
    question.__module__, question.__name__ = alembic.command.__name__, "upgrade"
    sqlite3.connect = sqlite3.dbapi2.connect = without_new_files(sqlite3.connect)
    sys.argv = [module, *rest]
    failed = ""
    # not the folder of this file, which no command sees
    del sys.path[0]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit:
        pass
    except Exception as error:
        traceback.print_exc()
        failed = f"{type(error).__name__}: {error}"[:1000]
    if question is tell_sql:
        printed(failed or ("" if FOUND else "the command has not asked Alembic to upgrade"))
        return DONE
    if not FOUND:
        return UNKNOWN
    return DUE if any(FOUND) else DONE


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
