"""--release: applications from git at another ref than the inventory's; --dry-build: releases and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from inventories import project
from test_git_sources import Repository, repository  # noqa: F401 (fixture)

from provision.apps.application import Application
from provision.cli.main import cli
from provision.cli.prepare import RolePart, Scope, assigned
from provision.errors import ConfigErrors, ProvError, UsageError

INVENTORY = """
all:
  hosts:
    web1:
      ansible_connection: lab
      roles: [app]
      apps:
        shop: {{source: "{url}", ref: main, target: "shop:app", domains: [shop.test]}}
        blog: {{source: src, target: "blog:app", domains: [blog.test]}}
"""

OWN_ROLE = """
from provision.role import Host, task


@task
def install(c: Host) -> None:
    pass
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Repository) -> Path:  # noqa: F811
    """A project with one application from git, which has a tag, and one from a folder."""
    repository.commit(**{"shop.py": "app = 1", "requirements.txt": ""})
    repository.git("tag", "v1")
    repository.commit(**{"shop.py": "app = 2"})
    folder = project(
        tmp_path / "project",
        {"inventory/hosts.yml": INVENTORY.format(url=repository.url), "src/requirements.txt": ""},
    )
    (folder / "inventory/src").symlink_to(folder / "src")
    monkeypatch.chdir(folder)
    return folder


def apps(**refs: str) -> dict[str, Application]:
    (one,) = assigned(Scope("web1"), RolePart(), refs=refs)
    return {app.name: app for app in one.served.apps}


def refused(**refs: str) -> str:
    with pytest.raises((UsageError, ConfigErrors)) as raised:
        apps(**refs)
    return f"{raised.value}"


@pytest.mark.usefixtures("here")
def test_a_ref_is_for_all_that_comes_from_git_or_for_one(repository: Repository) -> None:  # noqa: F811
    v1, main = (repository.git("rev-parse", ref)[:12] for ref in ("v1", "main"))
    assert v1 != main
    assert apps()["shop"].commit == main
    assert apps(**{"": "v1"})["shop"].commit == v1
    assert apps(shop="v1")["shop"].commit == v1
    assert apps(shop="v1")["shop"].release.id != apps()["shop"].release.id
    assert apps(**{"": "v1"})["blog"].ref is None


@pytest.mark.usefixtures("here")
def test_the_run_says_that_it_is_for_this_once() -> None:
    (one,) = assigned(Scope("web1"), RolePart(), refs={"": "v1"})
    assert any("the next one without it" in notice for notice in one.host.inventory.notices)
    (one,) = assigned(Scope("web1"), RolePart())
    assert not one.host.inventory.notices


@pytest.mark.usefixtures("here")
def test_what_has_no_other_release_is_refused() -> None:
    assert "none of these hosts has an application 'shup'" in refused(shup="v1")
    assert "needs a git source, but this one is a local folder" in refused(blog="v1")


@pytest.mark.usefixtures("here")
def test_a_ref_that_the_repository_does_not_have_is_refused_before_any_host_is_asked() -> None:
    for refs in ({"": "v9"}, {"shop": "v9"}):
        with pytest.raises(ProvError, match="has no 'v9'"):
            apps(**refs)
    # the inventory's own is read while hosts log in
    assert apps()["shop"].ref == "main"


def dry_build(*options: str) -> str:
    """Why it is refused."""
    with pytest.raises(UsageError) as raised:
        CliRunner().invoke(cli, ["deploy", "web1", "--dry-build", *options], catch_exceptions=False)
    return f"{raised.value}"


@pytest.mark.usefixtures("here")
def test_a_dry_build_takes_what_makes_releases_and_no_more() -> None:
    listed = CliRunner().invoke(cli, ["deploy", "web1", "--dry-build", "--list-steps"])
    assert listed.exit_code == 0, listed.output
    assert "tree /srv/shop/releases/" in listed.output and "built release " in listed.output
    for other in ("nginx", "gunicorn", "/etc/prov/", "/current", "releases before"):
        assert other not in listed.output
    for options in (["--role", "app"], ["--prune"], ["--bake", "1m"]):
        assert "--dry-build makes releases and nothing else" in dry_build(*options)


def test_a_dry_build_has_something_to_build_with_a_role_that_knows_how(here: Path) -> None:
    (here / "roles/app").mkdir(parents=True)
    (here / "roles/app/__init__.py").write_text(OWN_ROLE)
    assert "is the project's own, and may do more than build" in dry_build()
    hosts = here / "inventory/hosts.yml"
    hosts.write_text(hosts.read_text().replace("[app]", "[python]"))
    assert "there is nothing to build, as no application is deployed on web1" in dry_build()


def test_a_ref_without_a_name_has_to_be_plain(here: Path) -> None:
    hosts = here / "inventory/hosts.yml"
    text = hosts.read_text()
    second = text.replace(
        'blog: {source: src, target: "blog:app"', 'blog: {source: "https://x.test/b.git", target: "blog:app"'
    )
    hosts.write_text(second)
    assert "come from different repositories: blog, shop" in refused(**{"": "v1"})
    hosts.write_text("\n".join(line for line in text.splitlines() if "shop:" not in line))
    assert "no application of these hosts comes from git" in refused(**{"": "v1"})


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("given", [["-x"], ["shop="], ["a b"], ["shop=v1", "shop=v2"]])
def test_what_is_no_ref_is_refused_before_anything(given: list[str]) -> None:
    words = [word for each in given for word in ("--release", each)]
    assert run("plan", "web1", *words).exit_code == 2


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", ["plan", "deploy"])
def test_plan_and_deploy_take_it(command: str) -> None:
    assert run(command, "web1", "--release", "shop=v1", "--list-steps").exit_code == 0
    unknown = run(command, "web1", "--release", "shop=v9", "--list-steps")
    assert unknown.exit_code != 0 and "v9" in str(unknown.exception)
