"""A command that upgrades a database with Alembic or Flask-Migrate, as a question. Made by prov.

Its words are those of the command: alembic upgrade head; flask --app shop db upgrade; python -m alembic upgrade head.
Ends with 1 if the database lacks migrations, with 0 if it has them, and with 3 if that can't be told. Changes nothing.
"""

from __future__ import annotations

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
            os._exit(DUE)
        return connect(database, *arguments, **options)

    return guarded


def main(words: list[str]) -> int:
    """Run the command with the question in place of the upgrade, and return the exit status."""
    module, rest = (words[2], words[3:]) if words[1:2] == ["-m"] else (Path(words[0]).name, words[1:])
    alembic.command.upgrade = upgrade
    upgrade.__module__ = alembic.command.__name__
    sqlite3.connect = sqlite3.dbapi2.connect = without_new_files(sqlite3.connect)
    sys.argv = [module, *rest]
    # not the folder of this file, which no command sees
    del sys.path[0]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit:
        pass
    except Exception:
        traceback.print_exc()
    if not FOUND:
        return UNKNOWN
    return DUE if any(FOUND) else DONE


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
