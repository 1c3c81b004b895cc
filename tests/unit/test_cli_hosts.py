"""prov hosts, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_project import command_line
from inventories import project

#: runs the command line; gives exit status, lines of stdout, and stderr
Prov = Callable[..., tuple[object, list[str], str]]

INVENTORY = """
    web:
      vars:
        roles: [base, nginx]
        ansible_password: s3cret
        db: {password: s3cret, name: shop}
      hosts:
        web1: {ansible_host: 192.0.2.1, ansible_port: 2222}
        web2: {ansible_connection: lab}
    db:
      children:
        replicas:
          hosts:
            db1:
    """


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    """Runs the command line in a project; gives exit status, lines of stdout, and stderr."""
    monkeypatch.chdir(project(tmp_path, {"inventory/hosts.yml": INVENTORY}))
    prov = command_line(monkeypatch, capsys)

    def run(*arguments: str) -> tuple[object, list[str], str]:
        status, out, err = prov(*arguments)
        return status, out.splitlines(), err

    return run


def test_plain_lines(prov: Prov) -> None:
    assert prov("hosts") == (
        0,
        [
            "NAME  ADDRESS              GROUPS       ROLES",
            "web1  192.0.2.1 port 2222  web          base nginx",
            "web2  (lab)                web          base nginx",
            "db1   db1                  db replicas",
        ],
        "",
    )
    assert [line.split()[0] for line in prov("hosts", "web,!web1")[1]] == ["NAME", "web2"]


def test_graph(prov: Prov) -> None:
    """The shape of ansible-inventory --graph."""
    assert prov("hosts", "--graph")[1] == [
        "@all:",
        "  |--@web:",
        "  |  |--web1",
        "  |  |--web2",
        "  |--@db:",
        "  |  |--@replicas:",
        "  |  |  |--db1",
        "  |--@ungrouped:",
    ]
    assert prov("hosts", "db1", "--graph")[1] == [
        "@all:",
        "  |--@db:",
        "  |  |--@replicas:",
        "  |  |  |--db1",
    ]


def test_json(prov: Prov) -> None:
    status, lines, _ = prov("hosts", "web1", "--json")
    host, summary = (json.loads(line) for line in lines)
    assert status == 0
    assert host == {
        "event": "host",
        "name": "web1",
        "address": "192.0.2.1",
        "connection": "ssh",
        "groups": ["web"],
        "roles": ["base", "nginx"],
        "vars": {
            "roles": ["base", "nginx"],
            "ansible_password": "********",
            "db": {"password": "********", "name": "shop"},
            "ansible_host": "192.0.2.1",
            "ansible_port": 2222,
        },
    }
    assert isinstance(summary.pop("seconds"), float)
    assert summary == {"event": "summary", "hosts": {}}


def test_errors(prov: Prov, tmp_path: Path) -> None:
    assert prov("hosts", "wbe1") == (
        2,
        [],
        "prov: no host or group 'wbe1'. Did you mean 'web1'?\n"
        "\n  Hosts: web1, web2, db1. Groups: web, db, replicas, ungrouped.\n",
    )
    assert prov("hosts", "--json", "--graph")[0] == 2
    project(tmp_path, {"bad.yml": "all: {hosts: {web1: {ansible_port: x, roles: y}, web2: {roles: z}}}"})
    status, lines, stderr = prov("hosts", "-i", "bad.yml")
    assert (status, [line.split() for line in lines[1:]]) == (
        2,
        [["web1", "(see", "the", "error)", "ungrouped"], ["web2", "(see", "the", "error)", "ungrouped"]],
    )
    assert [line for line in stderr.splitlines() if line.startswith("prov: ")] == [
        "prov: bad.yml:1 web1.ansible_port: must be a port (1 to 65535), not 'x'",
        "prov: bad.yml:1 web1.roles: must be a list of role names, not 'y'",
        "prov: bad.yml:1 web2.roles: must be a list of role names, not 'z'",
    ]


def test_a_table_on_a_terminal(prov: Prov, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    _, lines, _ = prov("hosts", "web1")
    assert any("192.0.2.1 port 2222" in line and "base nginx" in line for line in lines)


def test_help_has_an_example(prov: Prov) -> None:
    status, lines, _ = prov("hosts", "--help")
    assert status == 0
    assert any(line.strip().startswith("Example:  prov hosts") for line in lines)


def test_a_host_with_errors_does_not_hide_the_others(prov: Prov, tmp_path: Path) -> None:
    text = "[web]\nweb1 roles=loadbalancer ansible_host=192.0.2.1\nweb2\nweb3 ansible_port=x\n"
    project(tmp_path, {"hosts": text})
    status, lines, stderr = prov("hosts", "-i", "hosts")
    assert (status, [line.split()[:2] for line in lines[1:]]) == (
        2,
        [["web1", "(see"], ["web2", "web2"], ["web3", "(see"]],
    )
    assert "hosts:2 web1.roles: must be a list of role names" in stderr
    assert "hosts:4 web3.ansible_port: " in stderr
    events = [json.loads(line) for line in prov("hosts", "-i", "hosts", "--json")[1]]
    assert [event["event"] for event in events] == ["host", "host", "host", "error", "error", "summary"]
    assert [event.get("broken", False) for event in events[:3]] == [True, False, True]
    assert prov("hosts", "web2", "-i", "hosts")[0] == 0


def test_a_list_of_no_hosts_is_printed(prov: Prov, tmp_path: Path) -> None:
    project(tmp_path, {"hosts": "[web]\n[all:children]\nweb\n"})
    status, lines, _ = prov("hosts", "-i", "hosts", "--list")
    assert (status, json.loads("\n".join(lines))["_meta"]["hostvars"]) == (0, {})
