"""Roles and steps of one's own, as the docs tell to write them, on a real host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli import prov
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project

from provision import lab

pytestmark = pytest.mark.lab

DOCS = Path(__file__).parents[2] / "docs"
NAME, WITH_SUDO, NEW = "t-roles", "t-rolesudo", "t-init"
BIN = Path(sys.executable).parent


@pytest.fixture
def roles(lab_hosts: Hosts, project: Project) -> Project:
    """A project for the host t-roles."""
    lab_hosts.one(NAME)
    return project


def listed(project: Project, *names: str, **more: object) -> None:
    """Write the inventory: the host has these roles."""
    project.inventory({NAME: {"ansible_connection": "lab", "roles": list(names), **more}})


def blocks(page: str, language: str) -> list[str]:
    """The code of a page of the docs."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def twice(project: Project) -> None:
    """Planned, deployed as planned, and nothing to do after that."""
    planned = prov("plan", NAME, cwd=project.folder, status=3)
    first = prov("deploy", NAME, cwd=project.folder, timeout=240, status=0)
    changed = [s["step"] for s in planned.steps(NAME) if s["state"] != "ok"]
    assert [s["step"] for s in first.steps(NAME) if s["state"] != "ok"] == changed
    second = prov("deploy", NAME, cwd=project.folder, status=0)
    assert second.not_in(NAME, "ok") == []


def test_the_role_in_the_docs(roles: Project) -> None:
    """memcached with a config file, a drop-in and a firewall rule: the very text of the page."""
    role = blocks("roles.md", "python")[0]
    assert len(role.splitlines()) < 25
    write(roles.folder / "roles/memcached/__init__.py", role)
    template = blocks("roles.md", "jinja")[0]
    write(roles.folder / "roles/memcached/templates/memcached.conf.j2", template)
    listed(roles, "memcached", memcached={"memory": 96, "clients": "10.0.0.0/8"})
    twice(roles)
    (process,) = on(NAME, "pgrep", "-a", "memcached").splitlines()
    assert "-m 96" in process
    assert on(NAME, "systemctl", "show", "-P", "LimitNOFILE", "memcached") == "16384"
    assert "10.0.0.0/8 tcp dport 11211 accept" in on(NAME, "nft", "list", "table", "inet", "prov")


def test_a_step_of_ones_own(roles: Project) -> None:
    step, role, _ = blocks("own-steps.md", "python")
    assert len([line for line in step.splitlines() if line]) <= 30
    write(roles.folder / "steps/shells.py", step)
    # the package that the page installs is not part of what it shows
    write(roles.folder / "roles/shells/__init__.py", role.replace('    apt.packages(c, ["fish"])\n', ""))
    listed(roles, "shells")
    twice(roles)
    assert on(NAME, "tail", "-n", "1", "/etc/shells") == "/usr/bin/fish"


def test_plain_python_around_steps(roles: Project) -> None:
    roles.role(
        "shared",
        'word(c, "shared")',
        head="""
        def word(c, name):
            return files.template(c, "word.j2", to=f"/etc/words-{name}", name=name)
        """,
        word="{{ name }} by shared\n",
    )
    roles.role(
        "python_in_it",
        """
        word(c, "another")
        if c.facts.distribution == "debian":
            files.file(c, "/etc/words-debian", c.facts.codename)
        else:
            files.file(c, "/etc/words-other", "")
        made = [files.directory(c, f"/srv/words-{n}") for n in range(3)]
        try:
            command.command(c, ["sh", "-c", "echo no >&2; exit 7"], reason="a test").wait()
        except StepFailed as failed:
            files.file(c, "/etc/words-after", f"{failed.status} {failed.stderr}")
        said = command.command(c, ["echo", "hello"], reason="a test")
        files.file(c, "/etc/words-said", said.stdout)
        command.command(c, ["touch", "/etc/words-run"], run_on=made)
        """,
        head="""
        from provision.role import StepFailed
        from roles.shared import word
        """,
    )
    listed(roles, "shared", "python_in_it")
    first = prov("deploy", NAME, cwd=roles.folder)
    assert first.status == 0, first  # a role that catches a failure has dealt with it
    assert (first.tally(NAME)["failed"], first.tally(NAME)["skipped"]) == (0, 1)
    assert [s["step"] for s in first.steps(NAME) if s["state"] == "failed"] == [
        "command sh -c 'echo no >&2; exit 7'"
    ]
    assert on(NAME, "sh", "-c", "grep . /etc/words-*") == "\n".join(
        [
            "/etc/words-after:7 no",
            "/etc/words-another:another by shared",
            f"/etc/words-debian:{on(NAME, 'sh', '-c', '. /etc/os-release; echo $VERSION_CODENAME')}",
            "/etc/words-said:hello",
            "/etc/words-shared:shared by shared",
        ]
    )
    on(NAME, "rm", "/etc/words-run")
    prov("deploy", NAME, cwd=roles.folder)
    assert on(NAME, "ls", "/etc/words-run", check=False) == "", "nothing had changed that it runs on"


def test_a_role_that_extends_the_built_in_one(roles: Project) -> None:
    write(
        roles.folder / "roles/python/__init__.py",
        '''
from provision.builtin import python
from provision.role import Host, task
from provision.steps import files

EXTENDS = python


class Python(python.Python):
    word: str = "more"


@task(tags=["words"])
def words(c: Host, p: Python) -> None:
    """A file besides."""
    files.file(c, "/etc/python-words", f"{p.word} {len(p.packages)}")
''',
    )
    listed(roles, "python", python={"packages": ["libsqlite3-0"], "word": "even more"})
    twice(roles)
    assert on(NAME, "cat", "/etc/python-words") == "even more 1"
    only = prov("deploy", NAME, "--tags", "words", cwd=roles.folder)
    assert [s["step"] for s in only.steps(NAME)] == ["file /etc/python-words"]


def test_a_project_works_from_its_beginning(lab_hosts: Hosts, tmp_path: Path) -> None:
    """`prov init`, `lab up`, `deploy`: only the host's name is another, as this machine may have a web1."""
    folder = tmp_path / "new"
    run(tmp_path, BIN / "prov", "init", str(folder))
    run(folder, BIN / "prov", "new", "role", "other")
    hosts = folder / "inventory/hosts.yml"
    hosts.write_text(hosts.read_text().replace("web1", NEW).replace("[base, hello]", "[hello, other]"))
    lab_hosts.one(NEW)
    first = prov("deploy", NEW, cwd=folder, status=0)
    assert first.tally(NEW)["changed"] == 2
    run(folder, sys.executable, "-m", "pytest", "-q", "roles/hello")


def run(cwd: Path, *words: object, **env: str) -> str:
    """What a program prints; it has to end well."""
    path = f"{BIN}:{os.environ['PATH']}"
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, "PATH": path, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


# -- with Fabric

FABFILE = """
from fabric import task
from provision.errors import UnreachableError
from provision.role import StepFailed
from provision.steps import command, files

@task
def greet(c):
    print("changed" if files.file(c, "/etc/fab-motd", "hello\\n").changed else "unchanged")
    files.template(c, "who.j2", to="/etc/fab-who", who=command.command(c, ["id", "-un"], reason="x").stdout)
    try:
        files.file(c, "/no/folder", "")
    except StepFailed as failed:
        print(failed.where, failed.message)
        print(failed.__notes__[0].splitlines()[0])
    print(c.run("whoami; cat /etc/fab-who", hide=True).stdout)
    try:
        command.command(c, ["sh", "-c", "kill -9 $PPID"], reason="the agent dies")
    except UnreachableError:
        print(files.file(c, "/etc/fab-motd", "hello\\n").why)
    c.close()
    print("changed" if files.file(c, "/etc/fab-motd", "hello\\n").changed else "unchanged")
"""


@pytest.mark.parametrize("kind", [Kind(), Kind(login="sudo-password", python=False)], ids=lambda k: k.login)
def test_steps_in_anyones_fabfile(lab_hosts: Hosts, tmp_path: Path, kind: Kind) -> None:
    host = lab_hosts.one(NAME if kind.login == "root" else WITH_SUDO, kind if kind.login != "root" else None)
    write(tmp_path / "fabfile.py", FABFILE)
    write(tmp_path / "templates/who.j2", "for {{ who }}")
    words = fab(host, "greet")
    env = {"FABRIC_SUDO_PASSWORD": host.password, "INVOKE_SUDO_PASSWORD": host.password}
    lines = run(tmp_path, *words, **env).splitlines()
    assert lines[0] == "changed"
    assert lines[1] == "fabfile.py:12 the directory /no does not exist"
    assert lines[2] == "step: file /no/folder"
    assert lines[3:5] == [host.user, "for root"]
    assert lines[-2] != "", "another agent took over from the one that had died"
    assert lines[-1] == "unchanged", "a new agent found what the first one did"
    assert "unchanged" in run(tmp_path, *words, **env).splitlines()[0]


def fab(host: lab.LabHost, *tasks: str) -> list[object]:
    """The words by which Fabric reaches a lab host."""
    return [BIN / "fab", "-i", host.key, "-H", f"{host.user}@{host.address}:{host.port}", *tasks]


def test_roles_are_fabrics_tasks(roles: Project) -> None:
    roles.role("one", 'files.file(c, "/etc/by-fab", c.name)')
    listed(roles, "one")
    write(roles.folder / "fabfile.py", "from provision.cli.fab import collection\nns = collection()\n")
    assert "one.install" in run(roles.folder, BIN / "fab", "--list")
    assert "file /etc/by-fab: changed" in run(roles.folder, BIN / "fab", "-H", NAME, "one")
    assert "nothing to change" in run(roles.folder, BIN / "fab", "-H", NAME, "one.install")
    assert on(NAME, "cat", "/etc/by-fab") == NAME
