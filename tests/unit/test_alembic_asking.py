"""A command that upgrades a database, as a question: of a small Alembic of our own, on files of SQLite.

What Alembic itself says is in tests/prove/test_used_on_one_host.py.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ASKING = Path(__file__).parents[2] / "roles/app/files/alembic_asking.py"
#: what the question uses of Alembic: two migrations, and a table of versions in the database
ALEMBIC = {
    "__init__": "",
    "command": "def upgrade(config, revision, sql=False, tag=None):\n    raise AssertionError('it has upgraded')\n",
    "runtime/__init__": "",
    "runtime/environment": """
class EnvironmentContext:
    def __init__(self, config, script, fn, dont_mutate):
        assert dont_mutate
        EnvironmentContext.fn = staticmethod(fn)
    def __enter__(self):
        return self
    def __exit__(self, *why):
        pass
""",
    "script": """
import os, sqlite3
from alembic.runtime.environment import EnvironmentContext
class ScriptDirectory:
    @classmethod
    def from_config(cls, config):
        return cls()
    def _upgrade_revs(self, revision, rev):
        return (each for each in ("one", "two") if each not in rev)
    def run_env(self):
        rows = sqlite3.dbapi2.connect(os.environ["DATABASE"], uri=True).execute("select name from versions")
        EnvironmentContext.fn([name for name, in rows], None)
""",
    "__main__": """
import sys
from alembic import command
if sys.argv[1:2] == ["upgrade"]:
    command.upgrade(None, sys.argv[2])
else:
    sys.exit("no such command")
""",
}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name, text in ALEMBIC.items():
        file = tmp_path / f"library/alembic/{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "library"


def asked(library: Path, database: str, *words: str) -> int:
    environment = {**os.environ, "PYTHONPATH": str(library), "DATABASE": database}
    done = subprocess.run(
        [sys.executable, str(ASKING), *words], env=environment, capture_output=True, check=False
    )
    return done.returncode


@pytest.mark.parametrize(("has", "status"), [(["one", "two"], 0), (["one"], 1), ([], 1)])
@pytest.mark.parametrize("program", [["alembic"], ["/srv/venv/bin/alembic"], ["python", "-m", "alembic"]])
def test_a_database_lacks_migrations_or_not(
    library: Path, tmp_path: Path, program: list[str], has: list[str], status: int
) -> None:
    file = tmp_path / "db"
    with sqlite3.connect(file) as connection:
        connection.execute("create table versions (name text)")
        connection.executemany("insert into versions values (?)", [(name,) for name in has])
    before = file.read_bytes()
    assert asked(library, str(file), *program, "upgrade", "head") == status
    assert file.read_bytes() == before


@pytest.mark.parametrize("form", ["{}", "file:{}", "file:{}?mode=rwc"])
def test_a_file_that_is_lost_lacks_all_and_is_not_made(library: Path, tmp_path: Path, form: str) -> None:
    file = tmp_path / "lost"
    assert asked(library, form.format(file), "alembic", "upgrade", "head") == 1
    assert not file.exists()


def test_what_can_not_be_told(library: Path, tmp_path: Path) -> None:
    (tmp_path / "db").write_text("not a database, but long enough to be taken for one" * 100)
    for words in (["alembic", "upgrade", "head"], ["alembic", "nonsense"], ["flask", "db", "upgrade"]):
        assert asked(library, str(tmp_path / "db"), *words) == 3
    assert asked(library, ":memory:", "alembic", "upgrade", "head") == 3
