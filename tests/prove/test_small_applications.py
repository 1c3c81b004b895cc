"""Small applications that once went wrong, as people have them: one host, one after another."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, on
from helpers.projects import Project
from helpers.web import Site, Visitors

pytestmark = pytest.mark.lab

NAME = "p-small"
PLAIN = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"old"]
"""
SETTINGS = """
import os
SECRET_KEY = "k" * 50
ALLOWED_HOSTS = os.environ["PROV_ALLOWED_HOSTS"].split(",")
INSTALLED_APPS = ["django.contrib.contenttypes", "shop"]
ROOT_URLCONF = "site_.urls"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["PROV_DATA_DIR"] + "/db.sqlite3"}
}
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware"]
"""
URLS = """
from django.http import HttpResponse
from django.urls import path
from shop.models import Item

urlpatterns = [
    path("healthz", lambda request: HttpResponse("ok")),
    path("", lambda request: HttpResponse(f"{len(Item.objects.all())} items")),
]
"""
MODELS = """
from django.db import models

class Item(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "shop"
"""
FIRST = """
from django.db import migrations, models

class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(
            "Item",
            [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=50))],
        )
    ]
"""
SECOND = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RenameField("Item", "name", "title")]
"""
DJANGO = {
    "requirements.txt": "django>=5.2,<5.3\n",
    "manage.py": "from django.core.management import execute_from_command_line\nimport sys\n"
    "execute_from_command_line(sys.argv)\n",
    "site_/__init__.py": "",
    "site_/settings.py": SETTINGS,
    "site_/urls.py": URLS,
    "site_/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
    "shop/__init__.py": "",
    "shop/models.py": MODELS,
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": FIRST,
}
OF_DJANGO: dict[str, Any] = {
    "target": "site_.wsgi:application",
    "django": {"settings": "site_.settings", "check_deploy": False},
    "health": "/healthz",
}
WORKER = """
import os, time

print("sees", os.environ["WORD"], flush=True)
time.sleep(3600)
"""
#: as docs/roles.md has it
ROLE = """
for app in c.apps:
    release = app.release
    lines = [
        "[Service]",
        f"User={app.user}",
        f"WorkingDirectory={release.root}",
        f"EnvironmentFile=/etc/prov/{app.name}.env",
        f"ExecStart={release.path}/.venv/bin/python worker.py",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    unit = systemd.unit(c, f"{app.name}-worker.service", "\\n".join(lines) + "\\n")
    systemd.service(c, f"{app.name}-worker", restart_on=[unit])
"""


@pytest.fixture(scope="module")
def address(lab_hosts: Hosts) -> str:
    return lab_hosts.one(NAME).address


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new project."""
    return Project(tmp_path)


def write(project: Project, files: Mapping[str, str]) -> None:
    """Write the application's files."""
    for path, text in files.items():
        place = project.folder / "app" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text))


def deployed(
    project: Project, app: str = "shop", status: int = 0, roles: tuple[str, ...] = (), **settings: Any
) -> Run:
    """Deploy the application under a name. settings: those that differ from the usual ones."""
    said = {"source": "../app", "target": "app:app", "domains": ["shop.test"], "tls": "none", **settings}
    project.inventory(
        {NAME: None}, ansible_connection="lab", roles=["python", "app", *roles], apps={app: said}
    )
    return prov("deploy", NAME, "--prune", cwd=project.folder, timeout=900, status=status)


def site(address: str) -> Site:
    """Where it is served."""
    return Site(address, "shop.test", Path(), tls=False)


def test_a_release_that_cannot_be_imported_leaves_the_database(address: str, project: Project) -> None:
    """migrate-order: its migrations would have changed the tables under the release in service."""
    write(project, DJANGO)
    deployed(project, **OF_DJANGO)
    assert site(address).get("/").text == "0 items"
    broken = DJANGO["site_/wsgi.py"] + "import not_there\n"
    write(project, {"shop/migrations/0002_title.py": SECOND, "site_/wsgi.py": broken})
    write(project, {"shop/models.py": MODELS.replace("name", "title")})
    failed = deployed(project, status=1, **OF_DJANGO)
    assert "No module named 'not_there'" in failed.error()["stderr"]
    assert site(address).get("/").text == "0 items", "the tables are as the release in service knows them"
    # once it can be imported, it is migrated
    write(project, {"site_/wsgi.py": DJANGO["site_/wsgi.py"]})
    deployed(project, **OF_DJANGO)
    assert site(address).get("/").text == "0 items"
    assert deployed(project, **OF_DJANGO).tally(NAME)["changed"] == 0


def test_a_redirect_at_the_health_path(address: str, project: Project) -> None:
    """redirect-behind-lb: TLS ends at a balancer before this host, and the application redirects to https."""
    redirects = {"site_/settings.py": f"{SETTINGS}SECURE_SSL_REDIRECT = True\n"}
    write(project, {**DJANGO, **redirects})
    failed = deployed(project, "balanced", status=1, expect=[200], **OF_DJANGO)
    assert "301" in str(failed.error())
    deployed(project, "balanced", **OF_DJANGO)
    assert site(address).get("/healthz").status == 301


def test_an_application_that_starts_slowly(address: str, project: Project) -> None:
    """slow-start: as one that reads a large model."""
    write(project, {"requirements.txt": "", "app.py": f"import time\n\ntime.sleep(20)\n{PLAIN}"})
    failed = deployed(project, status=1, start_timeout=10, workers=1)
    assert "within 10 s" in failed.error()["message"]
    deployed(project, start_timeout=40, workers=1)
    assert site(address).get("/").text == "old"


def test_a_worker_of_a_role_of_ones_own(address: str, project: Project) -> None:
    """worker-role: it finds the release by what docs/roles.md names, and is restarted with the environment."""
    project.role("worker", ROLE)
    role = project.folder / "roles/worker/__init__.py"
    role.write_text(role.read_text().replace("\n\n@task", '\nAFTER = ("app",)\n\n@task'))
    write(project, {"requirements.txt": "", "app.py": PLAIN, "worker.py": WORKER})
    for word in ("one", "two"):
        deployed(project, roles=("worker",), environment={"WORD": word})
        said = on(NAME, "journalctl", "-u", "shop-worker", "-o", "cat", "--no-pager")
        assert [line for line in said.splitlines() if line.startswith("sees")][-1] == f"sees {word}"
        again = deployed(project, roles=("worker",), environment={"WORD": word})
        assert again.tally(NAME)["changed"] == 0
    assert site(address).get("/").status == 200


def test_an_application_that_is_renamed_behind_apache(address: str, project: Project) -> None:
    """renamed-app: the front serves what the inventory says, and no request is lost."""
    write(project, {"requirements.txt": "", "app.py": PLAIN})
    deployed(project, front="apache")
    write(project, {"app.py": PLAIN.replace("old", "new")})
    with Visitors(site(address)) as visitors:
        deployed(project, "store", front="apache")
    assert visitors.lost == []
    assert site(address).get("/").text == "new"
    assert on(NAME, "systemctl", "list-units", "--all", "--no-legend", "app-shop*") == ""
    assert deployed(project, "store", front="apache").tally(NAME)["changed"] == 0
