"""Branches beside live applications: served, copied, gone, and the live ones as they were. Under nginx."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.databases import sql
from helpers.hosts import Hosts, Kind, on
from helpers.projects import EXAMPLES, Project
from helpers.web import Site, Visitors

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-preview"
PREVIEW = "shop-feature-x"
MIGRATION = """from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("pictures", "0001_initial")]
    operations = [migrations.AddField("picture", "note", models.CharField(max_length=20, null=True))]
"""
#: where things of applications are, besides what is below them
PLACES = "/srv /etc/prov /etc/prov/tls /etc/systemd/system /etc/nginx/sites-enabled /var/lib /run"


class Repository:
    """A source with branches."""

    def __init__(self, folder: Path, example: str) -> None:
        self.folder = folder
        shutil.copytree(
            EXAMPLES / example, folder, ignore=shutil.ignore_patterns("__pycache__", "db.sqlite3")
        )
        self.git("init", "-q", "-b", "main")
        self.commit()

    def git(self, *words: str) -> None:
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *words], cwd=self.folder, check=True, capture_output=True)

    def commit(self, branch: str = "", **files: str) -> None:
        """Commit these files, on a branch that is made of the one that is checked out."""
        if branch:
            self.git("checkout", "-q", "-B", branch)
        for name, text in files.items():
            path = self.folder / name
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", "a change")
        # what a clone gets by default
        self.git("checkout", "-q", "main")

    @property
    def url(self) -> str:
        return f"file://{self.folder}"


class Previewed:
    """A host with two live applications from git."""

    def __init__(self, project: Project, address: str) -> None:
        self.project, self.address = project, address
        self.shop = Repository(project.folder / "shop", "django_gallery")
        self.hello = Repository(project.folder / "hello", "flask_hello")
        apps: dict[str, Any] = {
            "shop": {
                "source": self.shop.url,
                "target": "gallery.wsgi:application",
                "domains": ["shop.test"],
                "django": {"settings": "gallery.settings"},
                "uses": {"database": "postgres"},
                "health": "/healthz",
                "secrets": {"SECRET_KEY": "a-secret-of-fifty-characters-for-the-gallery-of-tests"},
            },
            "hello": {
                "source": self.hello.url,
                "target": "hello:app",
                "domains": ["hello.test"],
                "static": {"/static/": "static"},
                "health": "/healthz",
            },
        }
        roles = ["base", "python", "postgres", "app"]
        project.inventory({NAME: {"apps": apps}}, ansible_connection="lab", roles=roles)

    def prov(self, *words: str, status: int = 0) -> Run:
        command, *rest = words
        return prov(command, NAME, *rest, cwd=self.project.folder, timeout=500, status=status)

    def preview(self, *words: str, status: int = 0) -> Run:
        return self.prov("preview", *words, status=status)

    def site(self, domain: str) -> Site:
        return Site(self.address, domain, self.project.ca)

    def known(self) -> dict[str, dict[str, Any]]:
        (event,) = (e for e in self.preview("--list").events if e["event"] == "previews")
        return {each["name"]: each for each in event["previews"]}

    def live_is_untouched(self) -> None:
        """Neither a plan, nor a prune, nor drift sees a preview."""
        for words in (["plan"], ["deploy", "--prune"], ["drift"]):
            run = self.prov(*words)
            assert run.tally(NAME)["changed"] == 0, words
            assert not [e for e in run.events if e["event"] == "undeclared"], words


def changed_steps(run: Run) -> list[str]:
    return [each["step"] for each in run.steps(NAME) if each["state"] == "changed"]


def listed() -> str:
    return on(
        NAME, "sh", "-c", f"ls -1 {PLACES}; getent passwd | cut -d: -f1; runuser -u postgres -- psql -lqAt"
    )


@pytest.fixture(scope="module")
def host(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Previewed:
    address = lab_hosts.one(NAME, Kind("debian-13")).address
    found = Previewed(Project(tmp_path_factory.mktemp("previews")), address)
    refused = found.preview("--app", "shop", "--ref", "main", "--yes", status=1)
    assert "has not been deployed" in refused.stdout
    found.prov("deploy")
    sql(NAME, "insert into pictures_picture (file, sha256) values ('a', 'b')", database="shop")
    found.shop.commit("feature/X", **{"pictures/migrations/0002_note.py": MIGRATION})
    page = found.hello.folder / "templates/index.html"
    found.hello.commit(
        "y", **{"templates/index.html": page.read_text().replace("<title>", "<title>Branch: ")}
    )
    return found


def test_a_branch_is_served_with_a_copy_of_the_database(host: Previewed) -> None:
    order = ["--app", "shop", "--ref", "feature/X", "--yes", "--set", "NOTE=mine"]
    planned = host.preview(*order, "--check", status=3)
    with Visitors(host.site("shop.test"), "/api/pictures/", count=4) as live:
        made = host.preview(*order)
    assert len(live.answers) > 50
    assert {*live.answers} == {200}
    assert changed_steps(planned) == changed_steps(made)
    assert host.site("feature-x.shop.test").get("/healthz").text == "ok"
    both = [host.site(name).get("/api/pictures/").text for name in ("shop.test", "feature-x.shop.test")]
    assert both[0] == both[1]
    assert "note" in sql(NAME, "select string_agg(attname, ' ') from pg_attribute", database=PREVIEW)
    sql(NAME, "delete from pictures_picture", database=PREVIEW)
    assert sql(NAME, "select count(*) from pictures_picture", database="shop") == "1"
    assert 'NOTE="mine"' in on(NAME, "cat", f"/etc/prov/{PREVIEW}.env")
    assert host.preview(*order).tally(NAME)["changed"] == 0
    host.live_is_untouched()


def test_two_previews_are_listed_and_do_not_meet(host: Previewed) -> None:
    host.preview("--app", "hello", "--ref", "y", "--name", "other", "--days", "2", "--yes")
    assert host.site("other.hello.test").get().title.startswith("Branch: ")
    assert not host.site("hello.test").get().title.startswith("Branch: ")
    known = host.known()
    assert set(known) == {PREVIEW, "hello-other"}
    assert known[PREVIEW]["url"] == "https://feature-x.shop.test/"
    assert known["hello-other"]["until"] > known["hello-other"]["since"]
    order = ["--app", "hello", "--ref", "main", "--yes"]
    taken = host.preview(*order, "--domain", "feature-x.shop.test", status=1)
    assert "is the domain of the preview shop-feature-x already" in taken.error()["message"]
    taken = host.preview(*order, "--name", "other", status=1)
    assert "is the preview of hello at y already" in taken.error()["message"]
    host.live_is_untouched()


def test_a_broken_branch_leaves_nothing_and_a_locked_target_is_refused(host: Previewed) -> None:
    module = host.hello.folder / "hello.py"
    host.hello.commit("broken", **{"hello.py": "raise RuntimeError('this branch is broken')\n"})
    before = listed()
    order = ["--app", "hello", "--ref", "broken", "--yes"]
    run = host.preview(*order, status=1)
    assert "this branch is broken" in run.stdout
    assert listed() == before
    assert module.exists()
    for words in (["lock", "for a test"], ["unlock"]):
        host.prov(*words)
        refused = host.preview(*order, status=1)
        assert ("for a test" in refused.stdout) is (words[0] == "lock")
    assert listed() == before


def test_what_has_been_made_goes_and_nothing_else(host: Previewed) -> None:
    with Visitors(host.site("shop.test"), "/api/pictures/", count=4) as live:
        gone = host.preview("--down", PREVIEW, "--yes")
    assert {*live.answers} == {200}
    assert gone.tally(NAME)["failed"] == 0
    left = [line for line in listed().splitlines() if PREVIEW in line]
    assert left == []
    assert sql(NAME, f"select 1 from pg_roles where rolname = 'app-{PREVIEW}'") == ""
    assert set(host.known()) == {"hello-other"}
    assert host.site("other.hello.test").get("/healthz").text == "ok"
    assert "has no preview" in host.preview("--down", PREVIEW, "--yes", status=1).stdout
    host.live_is_untouched()


def test_days_that_are_over_stop_it_and_the_next_deploy_removes_it(host: Previewed) -> None:
    on(NAME, "systemctl", "start", "prov-preview-hello-other.service")
    units = on(
        NAME, "systemctl", "list-units", "--plain", "--no-legend", "--state=active", "app-hello-other@*"
    )
    assert units == ""
    record = "/srv/hello-other/preview.json"
    on(NAME, "sed", "-i", 's/"until": "[^"]*"/"until": "2026-01-01T00:00:00Z"/', record)
    with Visitors(host.site("hello.test")) as live:
        host.prov("deploy")
    assert {*live.answers} == {200}
    assert host.known() == {}
    assert [line for line in listed().splitlines() if "hello-other" in line] == []
    host.live_is_untouched()
