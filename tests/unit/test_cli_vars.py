"""prov vars: values, where they are from, and what they replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from inventories import project

from provision.cli.main import cli
from provision.errors import UsageError

FILES = {
    "a.ini": """
        [web]
        web1 user=one ansible_password=hunter2
        [web:vars]
        level=group
        user=group
        """,
    "b.yml": """
        web:
          hosts:
            web1: {user: two, fqdn: "{{ inventory_hostname }}.example.com", bad: "{{ none_such }}"}
        """,
    "group_vars/all.yml": "level: all\nlisted: [1, {a: b}]\n",
    "group_vars/web.yml": "level: web\n",
    "host_vars/web1.yml": "user: three\n",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with values in many places."""
    monkeypatch.chdir(project(tmp_path, FILES))


def prov_vars(*words: str) -> Result:
    """A run of prov vars web1."""
    return CliRunner().invoke(cli, ["vars", "web1", "-i", "a.ini", "-i", "b.yml", *words])


def test_values(tmp_path: Path) -> None:
    lines = [line.split(maxsplit=1) for line in prov_vars().stdout.splitlines()]
    assert lines == [
        ["NAME", "VALUE"],
        ["ansible_password", "********"],
        [
            "bad",
            "{{ none_such }}  (b.yml:3 web1.bad: '{{ none_such }}' could not be worked out: 'none_such' is undefined)",
        ],
        ["fqdn", "web1.example.com"],
        ["level", "web"],
        ["listed", '[1, {"a": "b"}]'],
        ["user", "three"],
    ]


def test_origins() -> None:
    lines = [line.split(maxsplit=3) for line in prov_vars("user", "level", "--origin").stdout.splitlines()]
    assert lines == [
        ["NAME", "VALUE", "WHERE", "REPLACES"],
        ["user", "three", "host_vars/web1.yml:1", "two of b.yml:3, one of a.ini:2, group of a.ini:5"],
        ["level", "web", "group_vars/web.yml:1", "all of group_vars/all.yml:1, group of a.ini:4"],
    ]


def test_json() -> None:
    line = prov_vars("ansible_password", "--json").stdout.splitlines()[0]
    assert json.loads(line) == {
        "event": "variable",
        "host": "web1",
        "name": "ansible_password",
        "value": "********",
        "origin": "a.ini:2",
        "replaces": [],
    }


def test_an_unknown_name() -> None:
    refused = prov_vars("usr").exception
    assert isinstance(refused, UsageError)
    assert str(refused) == "web1 has no variable 'usr'. Did you mean 'user'?"


def test_variables_that_prov_cannot_use_are_shown(tmp_path: Path) -> None:
    project(tmp_path, {"b.yml": "web: {hosts: {web1: {roles: proxy, ansible_port: x}}}"})
    lines = [line.split(maxsplit=1) for line in prov_vars("roles", "ansible_port").stdout.splitlines()]
    assert lines[1:] == [["roles", "proxy"], ["ansible_port", "x"]]
