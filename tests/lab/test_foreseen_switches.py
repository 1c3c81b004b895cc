"""What a plan foresees of a switch: the database, the front; and that it is silent where nothing switches."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, on
from helpers.projects import HELLO, POLLS, Project

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-foresee"
APPS = {"hello": HELLO, "polls": POLLS}
MIGRATION = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("polls", "0002_sample_question")]
    operations = [migrations.AddField("question", "note", models.CharField(max_length=20, default=""))]
"""


@pytest.fixture(scope="module")
def project(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    lab_hosts.one(NAME)
    found = Project(tmp_path_factory.mktemp("foresee")).examples()
    found.inventory({NAME: {"apps": APPS}}, ansible_connection="lab", roles=["base", "python", "app"])
    first = plan(found)
    assert switches(first) == {}, "nothing is in service yet"
    prov("deploy", NAME, cwd=found.folder, timeout=400, status=0)
    assert switches(plan(found, status=0)) == {}, "nothing switches"
    return found


def plan(project: Project, status: int = 3) -> Run:
    return prov("plan", NAME, cwd=project.folder, timeout=200, status=status)


def switches(run: Run) -> dict[str, list[str]]:
    """By application: why there may be a gap."""
    return {event["app"]: event["gaps"] for event in run.events if event["event"] == "switch"}


def edit(folder: Path) -> None:
    note = folder / "note.txt"
    note.write_text(note.read_text() + "x" if note.exists() else "x")


def test_a_new_release_switches_without_a_gap(project: Project) -> None:
    edit(project.folder / "flask_hello")
    assert switches(plan(project)) == {"hello": []}


def test_a_migration_that_copies_a_table_of_sqlite_is_named(project: Project) -> None:
    path = project.folder / "django_polls/polls/migrations/0003_note.py"
    path.write_text(MIGRATION)
    (gap,) = switches(plan(project))["polls"]
    assert gap.startswith("polls/migrations/0003_note.py may copy the table of question in ")
    path.unlink()


def test_a_front_that_restarts_is_named(project: Project) -> None:
    prov("deploy", NAME, cwd=project.folder, timeout=300, status=0)
    drop_in = "/etc/systemd/system/nginx.service.d/prov.conf"
    on(NAME, "sh", "-c", f"echo '# edited' >>{drop_in}; systemctl daemon-reload")
    found = switches(plan(project))
    assert set(found) == {"hello", "polls"}
    assert all(gap.startswith("nginx restarts (") for gaps in found.values() for gap in gaps)
    prov("deploy", NAME, cwd=project.folder, timeout=300, status=0)
    assert plan(project, status=0).status == 0
