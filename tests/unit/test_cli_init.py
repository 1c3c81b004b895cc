"""prov init and prov new: a project to start from, and what mypy finds in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from inventories import project

from provision.cli.main import cli
from provision.errors import UsageError
from provision.roles.project import resolve
from provision.roles.role_model import find, search_path


def prov(*words: str) -> str:
    return CliRunner().invoke(cli, words, catch_exceptions=False, standalone_mode=False).stdout


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new project; the current folder."""
    prov("init", str(tmp_path / "new"))
    monkeypatch.chdir(tmp_path / "new")
    return tmp_path / "new"


def test_what_a_project_begins_with(made: Path) -> None:
    files = {p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()}
    assert files == {
        ".gitignore",
        "README.md",
        "Vagrantfile",
        "inventory/hosts.yml",
        "pyproject.toml",
        "roles/hello/__init__.py",
        "roles/hello/templates/hello.conf.j2",
        "roles/hello/tests/test_hello.py",
    }
    from provision.inventory import load

    (found,) = resolve(load().select("all"))
    assert [role.name for role, _ in found.roles] == ["base", "hello"]


def test_a_new_role(made: Path) -> None:
    prov("new", "role", "shop_cart")
    role = find("shop_cart", search_path())
    assert role is not None and role.params is not None
    assert role.params.__name__ == "ShopCart"
    assert (made / "roles/shop_cart/templates/shop_cart.conf.j2").is_file()
    text = "".join(p.read_text() for p in made.rglob("*shop_cart*/**/*.py"))
    assert (made / "roles/shop_cart/tests/test_shop_cart.py").is_file()
    assert "hello" not in text


def test_a_new_step_and_its_test(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs as any user, and from any folder."""
    prov("new", "step", "login_shell")
    files = {p.relative_to(made).as_posix() for p in (made / "steps").rglob("*") if p.is_file()}
    assert files == {"steps/login_shell.py", "steps/tests/test_login_shell.py"}
    assert "line_in_file" not in "".join((made / file).read_text() for file in files)
    for folder, argument in ((made, "steps"), (made / "steps/tests", "test_login_shell.py")):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", argument]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "5 passed" in done.stdout, done.stdout + done.stderr
    assert not Path("/etc/login_shell.conf").exists()


def test_a_new_step_that_does_nothing_fails_its_test(made: Path) -> None:
    prov("new", "step", "login_shell")
    module = made / "steps/login_shell.py"
    module.write_text(module.read_text().replace("host.files.write(", "print("))
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "steps"], capture_output=True, text=True)
    assert done.returncode == 1 and "2 failed, 3 passed" in done.stdout, done.stdout


def test_a_step_that_hosts_could_not_import_fails_its_test(made: Path) -> None:
    prov("new", "step", "login_shell")
    module = made / "steps/login_shell.py"
    module.write_text("import yaml\n" + module.read_text())
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "steps"], capture_output=True, text=True)
    assert done.returncode == 1 and "imports yaml, which hosts do not have" in done.stdout, done.stdout


def test_a_role_takes_a_new_step(made: Path) -> None:
    prov("new", "step", "login_shell")
    project(
        made,
        {
            "roles/shells/__init__.py": '''
                """Shells."""

                from provision.role import Host, task
                from steps.login_shell import login_shell


                @task
                def install(c: Host) -> None:
                    """Let people have fish."""
                    login_shell(c, "/etc/shells", "/usr/bin/fish")
                '''
        },
    )
    assert "login_shell" in prov("roles", "shells")
    assert mypy(made) == []


def test_as_json(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in prov("init", str(tmp_path / "new"), "--json").splitlines()]
    assert {"event": "file", "path": str(tmp_path / "new/README.md")} in lines
    assert lines[-1]["event"] == "summary"


@pytest.mark.parametrize("name", ["tests", "Shop", "9to5", "class", "a-b", "../x", "a\nb", ""])
@pytest.mark.usefixtures("made")
def test_names_that_no_step_can_have(name: str) -> None:
    with pytest.raises(UsageError):
        prov("new", "step", name)


@pytest.mark.parametrize("there", ["steps/fish.py", "steps/fish/__init__.py", "steps/tests/test_fish.py"])
def test_a_step_is_not_overwritten(made: Path, there: str) -> None:
    project(made, {there: ""})
    with pytest.raises(UsageError, match="already exists"):
        prov("new", "step", "fish")
    files = [p.relative_to(made).as_posix() for p in (made / "steps").rglob("*") if p.is_file()]
    assert files == [there]


@pytest.mark.parametrize("name", ["hello", "Shop", "9to5", "class", "a-b", "../x", "a\nb", ""])
@pytest.mark.usefixtures("made")
def test_names_that_no_role_can_have(name: str) -> None:
    with pytest.raises(UsageError):
        prov("new", "role", name)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    prov("init", str(tmp_path / "empty"))
    for there in (tmp_path, tmp_path / "file", tmp_path / "empty"):
        with pytest.raises(UsageError, match="already exists"):
            prov("init", str(there))
    with pytest.raises(UsageError, match="not a directory"):
        prov("init", str(tmp_path / "file/below"))


def blocks(page: str) -> list[str]:
    """The Python in a page of the docs."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def mypy(folder: Path) -> list[str]:
    """What mypy says in a project, with the settings that `prov init` wrote."""
    cache = folder.parent / "mypy"
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(cache), "--no-error-summary"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def test_misspelt_parameters_are_found_by_mypy(made: Path) -> None:
    """One run of mypy finds what is wrong, and nothing in what is right; the test that the docs show passes."""
    role = (made / "roles/hello/__init__.py").read_text()
    wrong = role + (
        '    files.file(c, "/etc/a", "text", mod=0o600)\n'
        '    files.file(c, 7, "text")\n'
        "    c.run(p.greting)\n"
        '    files.directory(c, "/srv").chnged\n'
        "    c.facts.distro\n"
    )
    # the roles and steps of the docs are right
    memcached, python, nginx, *_ = blocks("roles.md")
    shells, user_of_shells, test_of_shells = blocks("own-steps.md")
    texts = {"roles/memcached": memcached, "roles/web": python, "roles/nginx": nginx, "roles/other": wrong}
    texts |= {"steps/shells.py": shells, "roles/shells": user_of_shells}
    texts["steps/tests/test_shells.py"] = test_of_shells
    project(made, {n if n.endswith(".py") else f"{n}/__init__.py": text for n, text in texts.items()})
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "steps"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    found = mypy(made)
    first = len(role.splitlines()) + 1
    where = [line.split(" error: ")[0] for line in found if " error: " in line]
    assert where == [f"roles/other/__init__.py:{first + n}:" for n in range(5)], found
    for line, word in zip(
        [f for f in found if " error: " in f], ["mod", "int", "greting", "chnged", "distro"]
    ):
        assert word in line
