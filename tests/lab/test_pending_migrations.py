"""The SQL of pending migrations: Django's on PostgreSQL and SQLite, Alembic's on PostgreSQL; nothing is changed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import PROV, Run, prov
from helpers.databases import sql
from helpers.hosts import Hosts, Kind, on
from helpers.projects import EXAMPLES, POLLS, Project

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-migsql"
SECRET = "a-secret-of-fifty-characters-for-the-gallery-of-tests"
APPS: dict[str, Any] = {
    "polls": POLLS,
    "gallery": {
        "source": "../django_gallery",
        "target": "gallery.wsgi:application",
        "domains": ["gallery.test"],
        "django": {"settings": "gallery.settings"},
        "uses": {"database": "postgres"},
        "health": "/healthz",
        "secrets": {"SECRET_KEY": SECRET},
    },
    "notes": {
        "source": "../fastapi_notes",
        "target": "notes:app",
        "interface": "asgi",
        "domains": ["notes.test"],
        "uses": {"database": "postgres"},
        "release": ["alembic upgrade head"],
        "health": "/healthz",
    },
}
POLLS_NOTE = """from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("polls", "0002_sample_question")]
    operations = [migrations.AddField("question", "note", models.CharField(max_length=20, default=""))]
"""
#: what the release in service can't bear, Python code, and what is not in a transaction; with a secret in its SQL
GALLERY = {
    "0002_rename": """from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("pictures", "0001_initial")]
    operations = [
        migrations.RemoveField("picture", "sha256"),
        migrations.RunSQL("select '%s'"),
    ]
""".replace("%s", SECRET),
    "0003_fill": """from django.db import migrations

def fill(apps, schema_editor):
    raise AssertionError("it has run")

class Migration(migrations.Migration):
    dependencies = [("pictures", "0002_rename")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
""",
    "0004_writes": """from django.db import migrations

class Writes(migrations.operations.base.Operation):
    def state_forwards(self, app_label, state): pass
    def database_forwards(self, app_label, schema_editor, before, after):
        schema_editor.connection.cursor().execute("create table written (x int)")

class Migration(migrations.Migration):
    dependencies = [("pictures", "0003_fill")]
    operations = [Writes()]
""",
    "0005_alone": """from django.db import migrations

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("pictures", "0004_writes")]
    operations = [migrations.RunSQL("create index concurrently a on pictures_picture (id)")]
""",
}
ALEMBIC = """import sqlalchemy as sa
from alembic import op
revision, down_revision = "{own}", "{before}"
def upgrade() -> None:
    {body}
"""
ADD = 'op.add_column("notes", sa.Column("colour", sa.String))\n    op.execute("update notes set colour = \'red\'")'
ASK = 'for row in op.get_bind().execute(sa.text("select id from notes")): raise AssertionError(row)'
Pending = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def project(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    lab_hosts.one(NAME, Kind("debian-13"))
    found = Project(tmp_path_factory.mktemp("migsql")).examples()
    for name in ("django_gallery", "fastapi_notes"):
        shutil.copytree(EXAMPLES / name, found.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    roles = ["base", "python", "postgres", "app"]
    found.inventory({NAME: {"apps": APPS}}, ansible_connection="lab", roles=roles)
    assert pending(plan(found)) == {}, "nothing is in service yet"
    prov("deploy", NAME, cwd=found.folder, timeout=500, status=0)
    assert pending(plan(found, status=0)) == {}
    return found


def plan(project: Project, status: int = 3) -> Run:
    return prov("plan", NAME, cwd=project.folder, timeout=200, status=status)


def pending(run: Run) -> Pending:
    """By application: what is said of its migrations."""
    return {event["app"]: event for event in run.events if event["event"] == "migrations"}


def by_name(event: dict[str, Any]) -> Pending:
    return {each["name"]: each for each in event["migrations"]}


def test_each_pending_migration_is_shown_and_no_database_changes(project: Project) -> None:
    folder = project.folder
    (folder / "django_polls/polls/migrations/0003_note.py").write_text(POLLS_NOTE)
    for name, text in GALLERY.items():
        (folder / f"django_gallery/pictures/migrations/{name}.py").write_text(text)
    versions = folder / "fastapi_notes/migrations/versions"
    (versions / "0002_colour.py").write_text(ALEMBIC.format(own="0002", before="0001", body=ADD))
    (versions / "0003_rows.py").write_text(ALEMBIC.format(own="0003", before="0002", body=ASK))

    told = pending(plan(project))
    assert set(told) == {"polls", "gallery", "notes"}
    for event in told.values():
        assert f"prov deploy {NAME} --dry-build" in event["why"]
        assert all(each["sql"] == "" for each in event["migrations"])
    assert [each["name"] for each in told["polls"]["migrations"]] == ["polls/migrations/0003_note.py"]

    before = everything()
    built = prov("deploy", NAME, "--dry-build", cwd=folder, timeout=300, status=0)
    assert everything() == before
    assert SECRET not in built.stdout
    shown(pending(built))
    warned = [each["text"] for each in built.events if each["event"] == "note" and each.get("attention")]
    assert any("0002_rename.py removes picture.sha256" in text for text in warned)

    again = prov("deploy", NAME, "--dry-build", cwd=folder, timeout=300, status=0)
    assert again.tally(NAME)["changed"] == 0
    assert pending(again) == pending(built)
    # the release is on the host now
    assert pending(plan(project)) == pending(built)
    assert everything() == before


def shown(found: Pending) -> None:
    assert {app: event["why"] for app, event in found.items()} == dict.fromkeys(APPS, "")
    (note,) = found["polls"]["migrations"]
    assert note["name"] == "polls.0003_note"
    assert "CREATE TABLE" in note["sql"] and "DROP TABLE" in note["sql"], "SQLite copies the table"
    gallery = by_name(found["gallery"])
    assert list(gallery) == [f"pictures.{name}" for name in GALLERY]
    assert 'DROP COLUMN "sha256"' in gallery["pictures.0002_rename"]["sql"]
    assert "********" in gallery["pictures.0002_rename"]["sql"]
    fill = gallery["pictures.0003_fill"]
    assert (fill["sql"], fill["python"], fill["why"]) == ("", ["RunPython fill"], "")
    assert "read-only transaction" in gallery["pictures.0004_writes"]["why"]
    assert "create index concurrently" in gallery["pictures.0005_alone"]["sql"]
    colour, rows = found["notes"]["migrations"]
    assert colour["name"].startswith("0002")
    assert colour["sql"] == "ALTER TABLE notes ADD COLUMN colour VARCHAR;\n\nupdate notes set colour = 'red';"
    assert rows["sql"] == "" and "NoneType" in rows["why"]


def everything() -> list[str]:
    """Digests of what is in the databases."""
    dumps = [
        on(NAME, "sh", "-c", f"runuser -u postgres -- pg_dump {each} | grep -v restrict | sha256sum")
        for each in ("gallery", "notes")
    ]
    return [*dumps, on(NAME, "sh", "-c", "sha256sum /var/lib/app-polls/*.sqlite3")]


def test_people_read_a_block_for_each(project: Project) -> None:
    argv = [PROV, "deploy", NAME, "--dry-build"]
    run = subprocess.run(argv, cwd=project.folder, capture_output=True, text=True, timeout=300, check=True)
    lines = run.stdout.splitlines()
    assert f"gallery: 4 pending migrations ({NAME})" in lines
    assert "  pictures.0003_fill: no SQL" in lines
    assert "    Python code: RunPython fill" in lines
    assert "    ALTER TABLE notes ADD COLUMN colour VARCHAR;" in lines
    assert any(line.startswith("  0003: its SQL could not be told: TypeError") for line in lines)


def test_a_deploy_applies_them_and_then_none_is_pending(project: Project) -> None:
    edit(project.folder)
    prov("deploy", NAME, cwd=project.folder, timeout=300, status=0)
    assert sql(NAME, "select colour from notes limit 0", database="notes") == ""
    assert pending(plan(project, status=0)) == {}
    built = prov("deploy", NAME, "--dry-build", cwd=project.folder, timeout=300, status=0)
    assert [event["migrations"] for event in pending(built).values()] == [[], [], []]


def edit(folder: Path) -> None:
    """Leave only migrations that can be applied."""
    (folder / "fastapi_notes/migrations/versions/0003_rows.py").unlink()
    for name in list(GALLERY)[1:]:
        (folder / f"django_gallery/pictures/migrations/{name}.py").unlink()
