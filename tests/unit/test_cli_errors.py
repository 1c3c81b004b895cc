"""What can be wrong before a connection, or with it: exit status, message, and JSON."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from cli_project import Prov, command_line
from inventories import project

ROLE = '''
    """Does nothing."""

    from provision.roles.role_model import Params, task


    class Greeter(Params):
        """A parameter."""

        count: int = 1


    @task
    def greet(c, p: Greeter) -> None:
        """Nothing."""
    '''
INVENTORY = """
    good:
      hosts:
        web1: {{ansible_host: 127.0.0.1, ansible_port: {port}, roles: [greeter]}}
        web2: {{ansible_host: 127.0.0.1, ansible_port: {port}, roles: [greeter]}}
    bare:
      hosts:
        lone: {{}}
    bad:
      hosts:
        role: {{roles: [greter]}}
        parameter: {{roles: [greeter], greeter: {{count: many}}}}
        port: {{roles: [greeter], ansible_port: ssh}}
    serving:
      hosts:
        shop1: {{apps: {{shop: {{source: ../shop, target: "shop:app", domains: [shop.test]}}}}}}
        shop2: {{apps: {{shop: {{source: ../shop, target: "shop:app", domains: [shop.test]}}}}, roles: [app],
          ansible_host: 127.0.0.1, ansible_port: {port}}}
    """


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    """Runs the command line in a project whose good hosts refuse connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    files = {"inventory/hosts.yml": INVENTORY.format(port=port), "roles/greeter/__init__.py": ROLE}
    monkeypatch.chdir(project(tmp_path, files))

    return command_line(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["run", "web1", "ls -l"], "prov run TARGET -- ls -l"),
        (["run", "web1", "--", "ls -l"], "prov run TARGET -- ls -l"),
        (["run", "web1", "ls | wc -l"], "prov run TARGET -- sh -c 'ls | wc -l'"),
        (["exec", "web1", "shop", "ls *.py"], "prov exec TARGET APP -- sh -c 'ls *.py'"),
    ],
)
def test_a_line_in_one_word_is_told_before_a_connection(prov: Prov, words: list[str], meant: str) -> None:
    status, _, err = prov(*words)
    assert status == 2
    assert f"Type:  {meant}\n" in err


@pytest.mark.parametrize("command", ["run", "ssh"])
def test_options_after_a_commands_first_word_are_the_commands(prov: Prov, command: str) -> None:
    assert "no host or group 'web9'" in prov(command, "web9", "ls", "-l", "--json")[2]


@pytest.mark.parametrize("command", ["deploy", "plan", "ping", "facts", "ssh"])
def test_unknown_host(prov: Prov, command: str) -> None:
    status, out, err = prov(command, "web3")
    assert (status, out) == (2, "")
    assert "no host or group 'web3'. Did you mean 'web" in err


def test_unknown_host_for_run(prov: Prov) -> None:
    assert prov("run", "web3", "--", "true")[0] == 2
    status, _, err = prov("run", "web1")
    assert status == 2 and "ARGV" in err


def test_unknown_role_in_the_inventory(prov: Prov) -> None:
    status, _, err = prov("deploy", "role")
    assert status == 2
    assert "inventory/hosts.yml:10 role.roles.0: there is no role 'greter'. Did you mean 'greeter'?" in err


def test_unknown_role_on_the_command_line(prov: Prov) -> None:
    status, _, err = prov("plan", "web1", "--role", "greter")
    assert status == 2
    assert "no selected host has the role 'greter'. Did you mean 'greeter'?" in err


def test_all_configuration_errors_at_once(prov: Prov) -> None:
    status, out, err = prov("deploy", "bad")
    assert (status, out) == (2, "")
    assert "hosts.yml:10 role.roles.0" in err
    assert "hosts.yml:11 parameter.greeter.count" in err
    assert "hosts.yml:12 port.ansible_port" in err


def test_no_roles(prov: Prov) -> None:
    status, _, err = prov("deploy", "lone")
    assert status == 2
    assert "no roles are listed for lone" in err and "roles: [base, python]" in err
    assert "app" not in err
    status, _, err = prov("deploy", "shop1")
    assert status == 2 and "roles: [base, python, app], which deploys its apps" in err
    status, _, err = prov("plan", "web1,lone")
    assert status == 4 and "skipped, no roles are listed: lone" in err


def test_one_host_at_a_time_ends_at_the_first_that_fails(prov: Prov) -> None:
    _, out, _ = prov("deploy", "good", "--forks", "1")
    assert "web2: failed" in out and "not touched, as web1 failed before it" in out
    for command in (["deploy", "good"], ["plan", "good", "--forks", "1"], ["ping", "good", "--forks", "1"]):
        _, out, _ = prov(*command)
        assert "not touched" not in out, "one bad host does not end the run for the others"


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_forks(prov: Prov, value: str) -> None:
    status, _, err = prov("deploy", "web1", "--forks", value)
    assert status == 2 and "--forks" in err


def test_a_limit_that_leaves_nothing(prov: Prov) -> None:
    assert prov("deploy", "web1", "--limit", "web2")[0] == 2


def test_unreachable(prov: Prov) -> None:
    for command in ("deploy", "plan"):
        status, out, _ = prov(command, "web1,web2")
        assert status == 4
        assert "web1: unreachable" in out and "Connection refused" in out
        assert "2 hosts unreachable" in out
    status, out, err = prov("ping", "web1")
    assert (status, out) == (4, "") and "web1: unreachable" in err
    assert prov("run", "web1", "--", "true")[0] == 4
    assert prov("facts", "web1")[0] == 4


def test_unreachable_as_json(prov: Prov) -> None:
    status, out, err = prov("plan", "web1", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (4, "")
    assert [(line["event"], line.get("state")) for line in found] == [
        ("host", "unreachable"),
        ("summary", None),
    ]
    assert found[0]["error"]["message"].endswith("Connection refused")
    assert found[-1]["hosts"]["web1"]["unreachable"] == 1


def test_configuration_errors_as_json(prov: Prov) -> None:
    status, out, _ = prov("deploy", "bad", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert status == 2
    assert [line["event"] for line in found] == ["error", "error", "error", "summary"]


def test_ssh_takes_one_host(prov: Prov) -> None:
    status, _, err = prov("ssh", "good")
    assert status == 2 and "'good' matches 2 hosts" in err


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "pyproject.toml",
            "[tool.poetry.dependencies]\nflask = '^1 || ^2'\n",
            "the constraint '^1 || ^2' is not read",
        ),
        ("poetry.lock", '[metadata]\nlock-version = "1.0"\n', "is of Poetry's format 1.0"),
    ],
)
def test_packages_that_only_their_own_tool_reads(
    prov: Prov, tmp_path: Path, file: str, text: str, said: str
) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / file).write_text(text)
    status, out, err = prov("deploy", "shop2")
    assert (status, out) == (2, ""), "before the first connection"
    assert f"{file}: " in err and said in err and "poetry export" in err
    assert "hosts.yml:16 shop2.apps.shop.source" in err
    # a lock that git ignores is not a part of the source, whose files are read later
    (shop / ".gitignore").write_text(f"{file}\n")
    status, _, err = prov("deploy", "shop2")
    assert said not in err
