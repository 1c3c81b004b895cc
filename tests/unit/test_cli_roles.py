"""prov roles, --list-steps and --step: what roles do, before and while they do it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_project import greeting_project
from click.testing import CliRunner
from inventories import project

from provision.cli.main import cli
from provision.errors import ProvError, UsageError

ASKS = '''
    """Asks its host."""
    from provision.role import Host, Params, task
    from provision.steps import command, files


    class Level(Params):
        """One of several."""

        height: int
        """In metres."""


    class Asks(Params):
        """Its own."""

        first: str
        """What comes first,
        and what follows."""
        levels: list[Level] = []
        more: bool = False


    def shared(c: Host) -> None:
        files.directory(c, "/srv/shared")


    @task(tags=["early"])
    def prepare(c: Host, p: Asks) -> None:
        """Make room."""
        shared(c)
        c.later(lambda: files.absent(c, "/srv/old"))


    @task
    def ask(c: Host, p: Asks) -> None:
        """Depend on an answer."""
        if c.facts.family == "debian":
            files.file(c, "/srv/debian", "")
        said = command.command(c, ["nproc"], reason="a question")
        for n in range(int(said.stdout)):
            files.file(c, f"/srv/{n}", "")


    @task
    def connect(c: Host, p: Asks) -> None:
        """Run something by hand."""
        c.run("true")
    '''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the roles `asks` and `python`; the latter instead of the built-in one."""
    inventory = "all: {hosts: {web1: {roles: [asks], asks: {first: x}, ansible_connection: lab}}}\n"
    own = '"""Our own."""\nfrom provision.role import task\n@task\ndef go(c): ...\n'
    files = {"inventory/h.yml": inventory, "roles/asks/__init__.py": ASKS, "roles/python/__init__.py": own}
    files["roles/broken/__init__.py"] = "def f(:\n"
    monkeypatch.chdir(project(tmp_path, files))
    return tmp_path


def prov(*words: str) -> str:
    """What a command prints on stdout."""
    result = CliRunner().invoke(cli, words, catch_exceptions=False, standalone_mode=False)
    return result.stdout


def events(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in prov(*words, "--json").splitlines()]


@pytest.mark.usefixtures("here")
def test_roles_and_where_they_come_from() -> None:
    found = {line.split()[0]: " ".join(line.split()[1:]) for line in prov("roles").splitlines()}
    assert found["asks"] == "roles/asks Asks its host."
    assert found["python"] == "roles/python, replaces the built-in role Our own."
    assert found["nginx"].startswith("built-in nginx as the front")
    assert found["broken"].startswith("roles/broken broken: ")
    names = {e["name"]: e["from"] for e in events("roles") if e["event"] == "role"}
    assert names["base"] == "built-in"


@pytest.mark.usefixtures("here")
def test_what_a_role_takes_and_does() -> None:
    (role, summary) = events("roles", "asks")
    assert summary["event"] == "summary"
    assert role["doc"] == "Asks its host."
    assert [(p["name"], p["type"], p["default"], p["required"]) for p in role["parameters"]] == [
        ("first", "str", None, True),
        ("levels", "list of Level", "[]", False),
        ("levels.height", "int", None, True),
        ("more", "bool", "false", False),
    ]
    assert role["parameters"][0]["doc"] == "What comes first, and what follows."
    assert [(t["name"], t["tags"], [s["step"] for s in t["steps"]]) for t in role["tasks"]] == [
        ("prepare", ["early"], ["files.directory", "files.absent"]),
        ("ask", [], ["files.file", "command.command", "files.file"]),
        ("connect", [], []),
    ]
    assert role["tasks"][0]["steps"][0]["where"] == "roles/asks/__init__.py:24"
    shown = prov("roles", "asks")
    assert "  first: str (required)" in shown
    assert "  more: bool = false" in shown
    assert "  prepare  [tags: early]" in shown


@pytest.mark.usefixtures("here")
def test_every_built_in_role_can_be_told() -> None:
    for role in events("roles"):
        if role.get("from") == "built-in":
            assert events("roles", role["name"])[0]["tasks"], role["name"]


@pytest.mark.usefixtures("here")
def test_unknown_roles() -> None:
    with pytest.raises(UsageError, match=r"there is no role 'aks'\. Did you mean 'asks'\?"):
        prov("roles", "aks")
    with pytest.raises(ProvError, match="can't be imported"):
        prov("roles", "broken")


@pytest.mark.usefixtures("here")
def test_steps_without_a_host() -> None:
    found = events("deploy", "web1", "--list-steps")[:-1]
    assert [(t["task"], [s["step"] for s in t["steps"]]) for t in found] == [
        ("prepare", ["directory /srv/shared"]),
        ("ask", ["file /srv/debian", "command nproc"]),
        ("connect", []),
        ("after all roles", ["absent /srv/old"]),
    ]
    assert [t["unknown"] != "" for t in found] == [False, True, True, False]
    assert "invalid literal for int()" in found[1]["unknown"]
    assert "c.run() and its like need the host" in found[2]["unknown"]
    shown = prov("plan", "web1", "--list-steps", "--tags", "early")
    assert "directory /srv/shared" in shown and "roles/asks/__init__.py:24" in shown
    assert "command nproc" not in shown


@pytest.mark.usefixtures("here")
def test_a_step_that_no_role_has_written_names_no_line(tmp_path: Path) -> None:
    apps = "{shop: {source: ../shop, target: 'shop:app', domains: [shop.example]}}"
    inventory = f"web: {{hosts: {{web9: {{roles: [app], apps: {apps}}}}}}}"
    project(tmp_path, {"inventory/hosts.yml": inventory, "shop/requirements.txt": ""})
    (later,) = [t for t in events("deploy", "web9", "--list-steps") if t.get("task") == "after all roles"]
    by_role, by_prov = later["steps"][:2], later["steps"][2:]
    assert [s["step"].partition(" ")[0] for s in by_role] == ["link", "old"]
    assert ["/app/__init__.py:" in s["where"] for s in by_role] == [True, True]
    # what servers share: the release is recorded; other instances, processes and jobs of the application stop
    assert {s["step"].partition(" ")[0] for s in by_prov} == {"release", "other"}
    assert {s["where"] for s in by_prov} == {""}


# -- step by step

SCRIPT = """
import sys
from pathlib import Path
from cli_project import use_local_agents
use_local_agents(setattr, Path(sys.argv.pop(1)))
from provision.cli.main import main
main()
"""


def answered(folder: Path, answers: str, *words: str) -> subprocess.CompletedProcess[str]:
    """prov deploy --step, by someone who types these answers."""
    ours, theirs = pty.openpty()
    os.write(ours, answers.encode())
    try:
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, str(folder.parent), "deploy", "web1", "--step", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    ("answers", "counts", "files"),
    [
        ("y\ny\ny\n", "0 ok, 3 changed", {"greeting", "ran", "after"}),
        ("n\nwhat\ny\nn\n", "0 ok, 1 changed, 2 skipped", {"ran"}),
        ("y\nc\n", "0 ok, 3 changed", {"greeting", "ran", "after"}),
    ],
)
def test_each_step_is_asked_for(tmp_path: Path, answers: str, counts: str, files: set[str]) -> None:
    folder = tmp_path / "project"
    greeting_project(folder, words=f'["touch", "{folder}/host/ran"]')
    done = answered(folder, answers)
    assert done.returncode == 0, done.stderr
    assert f"web1: greeter: file {folder}/host/greeting  (roles/greeter/__init__.py:19)" in done.stdout
    assert f"web1: {counts}" in done.stdout
    assert {p.name for p in (folder / "host").iterdir()} == files


def test_what_came_of_a_step_is_shown_before_the_next_question(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    greeting_project(folder, words=f'["touch", "{folder}/host/ran"]')
    lines = answered(folder, "y\ny\ny\n").stdout.splitlines()
    asked = [n for n, line in enumerate(lines) if "(roles/greeter/__init__.py:" in line]
    told = [n for n, line in enumerate(lines) if "web1: greeter: " in line and ": changed" in line]
    assert len(asked) == len(told) == 3
    assert sorted([*asked, *told]) == [n for pair in zip(asked, told, strict=True) for n in pair]


def test_nobody_is_asked_after_a_failure(tmp_path: Path) -> None:
    folder = greeting_project(tmp_path / "project", words='["false"]')
    done = answered(folder, "y\ny\n")
    assert done.returncode == 1
    assert "web1: 0 ok, 1 changed, 1 failed, 1 skipped" in done.stdout


def test_step_needs_somebody_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(greeting_project(tmp_path / "project"))
    for words in (["--step"], ["--step", "--json"], ["--step", "--check"]):
        with pytest.raises(UsageError):
            prov("deploy", "web1", *words)


def test_a_release_is_imported_before_its_database_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    django = """
        web1:
          hosts:
            web1:
          vars:
            roles: [python, app]
            apps:
              shop:
                source: shop
                target: site_.wsgi:application
                django: {settings: site_.settings}
                domains: [shop.test]
    """
    files = {"inventory.yml": django, "shop/manage.py": "", "shop/requirements.txt": "django\n"}
    monkeypatch.chdir(project(tmp_path, files))
    listed = events("deploy", "web1", "-i", "inventory.yml", "--list-steps")
    (steps,) = [[step["step"] for step in task["steps"]] for task in listed if task.get("role") == "app"]
    own = [step.rpartition("/")[2] for step in steps if "/.prov/" in step]
    tries, chores = own.index("behind_front.py"), own.index("django_chores.py")
    assert tries < chores
    kinds = [step.split(" ")[0] for step in steps]
    at = [
        steps.index(next(step for step in steps if step.endswith(name))) for name in (own[tries], own[chores])
    ]
    assert kinds[at[0] + 1] == kinds[at[1] + 1] == "command", steps
