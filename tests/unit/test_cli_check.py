"""prov check: all that is wrong and can be known without a connection, at once, with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from inventories import project

from provision.cli.main import cli
from provision.errors import ConfigError, ConfigErrors

ROLE = '''
    """Several faults."""
    from provision.role import Host, task
    from provision.steps import files


    @task
    def no_path(c: Host) -> None:
        files.file(c, "relative", "x")


    @task
    def no_template(c: Host) -> None:
        files.template(c, "none.j2", to="/etc/x")


    @task
    def asks(c: Host) -> None:
        files.file(c, "/etc/y", "x")
        c.run("ls")


    @task
    def misspelt(c: Host) -> None:
        files.templat(c, "none.j2", to="/etc/x")


    @task
    def undefined(c: Host) -> None:
        file(c, "/etc/x", "x")


    @task
    def after_it(c: Host) -> None:
        files.file(c, "/etc/z", "x", mode="rwx")
'''
INVENTORY = """
    all:
      hosts:
        web1:
          roles: [base, python, app, faulty]
          apps:
            gone: {source: ../gone, target: a:b, domains: [a.test]}
            bare: {source: ../bare, target: a:b, domains: [b.test]}
            new: {source: ../new, target: a:b, domains: [c.test], python: "3.11"}
        web2: {roles: [base, pyton]}
        web3: {ansible_port: x}
        web4: {roles: [base], base: {sshd: 3}}
        web5: {roles: [base]}
        lb1: {roles: [base], balance: {hello: web6}}
        web6:
          ansible_connection: lab
          roles: [base, python, app]
          apps:
            hello: {source: ../new/hello, target: a:b, domains: [d.test]}
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROV_LAB_DIR", str(tmp_path / "lab"))
    files = {
        "inventory/hosts.yml": INVENTORY,
        "roles/faulty/__init__.py": ROLE,
        "bare/a.py": "",
        "new/pyproject.toml": '[project]\nname = "new"\nversion = "1"\nrequires-python = ">=3.12"\n',
        "new/hello/requirements.txt": "",
    }
    monkeypatch.chdir(project(tmp_path, files))
    return tmp_path


def check(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", *arguments])


def found(result: Result) -> list[str]:
    assert isinstance(result.exception, ConfigErrors), result.exception
    assert result.exception.exit_code == 2
    return [str(error) for error in result.exception.errors]


def test_every_fault_of_every_host_at_once(faulty: Path) -> None:
    inventory = "inventory/hosts.yml"
    lines = found(check())
    expected = [
        f"{inventory}:6 web1.apps.gone.source: no such folder",
        f"{inventory}:7 web1.apps.bare",
        f"{inventory}:9 web2.roles.1: there is no role 'pyton'",
        f"{inventory}:10 web3.ansible_port: must be a port",
        f"{inventory}:11 web4.base.sshd: unknown parameter",
        "roles/faulty/__init__.py:8: File: path must be absolute",
        "roles/faulty/__init__.py:13: there is no template 'none.j2'",
        "roles/faulty/__init__.py:24: module 'provision.steps.files' has no attribute 'templat'. Did you",
        "roles/faulty/__init__.py:29: name 'file' is not defined",
        "roles/faulty/__init__.py:34: File: mode must be",
    ]
    assert [each for each in expected if not any(line.startswith(each) for line in lines)] == [], lines
    assert len(lines) == len(expected), lines


def test_a_source_that_its_python_cannot_run(faulty: Path) -> None:
    text = (faulty / "inventory/hosts.yml").read_text()
    kept = [line for line in text.splitlines() if "gone:" not in line and "bare:" not in line]
    (faulty / "inventory/hosts.yml").write_text("\n".join(kept))
    (line,) = [each for each in found(check("web1")) if "hosts.yml" in each]
    assert line.startswith("inventory/hosts.yml:6 web1.apps.new.python: new requires Python >=3.12")
    for required, other in ((">=3.12", "3.13"), (">=3.14", "3.14"), (">=3.9,<3.11", "3.10")):
        (faulty / "new/pyproject.toml").write_text(
            f'[project]\nname = "new"\nversion = "1"\nrequires-python = "{required}"\n'
        )
        result = check("web1")
        assert isinstance(result.exception, ConfigErrors)
        hints = [error.hint for error in result.exception.errors]
        assert f"Name another one: `python: '{other}'`, or a path on web1." in hints


def test_what_only_a_host_knows_is_no_fault(faulty: Path) -> None:
    result = check("web5,lb1", "--json")
    assert result.exception is None, result.exception
    web5, lb1, summary = map(json.loads, result.stdout.splitlines())
    assert (web5["event"], web5["host"], web5["roles"], web5["unknown"]) == ("check", "web5", ["base"], [])
    assert web5["steps"] > 0
    assert lb1["unknown"] == [{"role": "nginx", "task": "install"}], "the lab host behind it is not up"
    assert summary["event"] == "summary"
    people = check("web5")
    assert people.stdout.split()[:4] == ["NAME", "ROLES", "APPLICATIONS", "STEPS"]


def test_a_target_that_is_none(faulty: Path) -> None:
    result = check("web9")
    assert not isinstance(result.exception, ConfigError)
    assert "web9" in str(result.exception)


def test_a_variable_of_many_hosts_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = "    web1: {seen: 1}\n    web2: {seen: 2}\n    web3: {}\n"
    inventory = f"web:\n  vars: {{roles: [], backup_at: 3}}\n  hosts:\n{hosts}"
    monkeypatch.chdir(project(tmp_path, {"inventory/hosts.yml": inventory}))
    lines = [
        line.rpartition("inventory/")[2] for line in check().stdout.splitlines() if "nothing reads" in line
    ]
    assert sorted(lines) == [
        "hosts.yml:2: nothing reads the variable 'backup_at' of all 3 hosts",
        "hosts.yml:4 and 1 more place: nothing reads the variable 'seen' of web1, web2 (2 of 3)",
    ]


def test_variables_that_nothing_reads_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = "all:\n  hosts:\n    web1: {roles: [], backup_at: 3, seen: 1, ansible_shell_type: sh}\n"
    files = {"inventory/hosts.yml": inventory, "roles/own/__init__.py": "# c.vars['seen']\n"}
    monkeypatch.chdir(project(tmp_path, files))
    assert "hosts.yml:3: nothing reads the variable 'backup_at' of web1\n" in check().stdout
    assert json.loads(check("--json").stdout.splitlines()[0])["unread"] == ["backup_at"]
