"""Mistakes that are found before the first connection: file, line and path, and exit status 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.projects import Project

pytestmark = pytest.mark.lab

#: an address that no one has (RFC 5737): whoever connects waits in vain
GOOD = """\
shops:
  hosts:
    web1:
      ansible_host: 192.0.2.1
      roles: [base, nginx]
      nginx:
        worker_connections: 2048
"""


@pytest.fixture
def inventory(project: Project) -> Path:
    path = project.folder / "inventory/hosts.yml"
    path.write_text(GOOD)
    return path


def refused(inventory: Path, target: str = "web1", *options: str) -> Run:
    """A deploy that has to be refused at once, with its errors as JSON too."""
    run = prov("deploy", target, *options, cwd=inventory.parents[1], status=2, timeout=20)
    assert run.events[-1]["hosts"] == {}
    for error in run.errors:
        assert error["message"] in run.stderr
    return run


def error(inventory: Path, target: str = "web1", *options: str) -> dict[str, Any]:
    return refused(inventory, target, *options).error()


@pytest.mark.parametrize(("target", "nearest"), [("web2", "web1"), ("shosp", "shops")])
def test_an_unknown_host_or_group(inventory: Path, target: str, nearest: str) -> None:
    found = error(inventory, target)
    assert repr(target) in found["message"]
    assert nearest in found["message"] + found["hint"]


def test_an_unknown_role(inventory: Path) -> None:
    inventory.write_text(GOOD.replace("nginx]", "ngnix]"))
    found = error(inventory)
    assert found["message"].startswith("there is no role 'ngnix'.")
    assert "nginx" in found["message"]
    assert found["where"] == "inventory/hosts.yml:5 web1.roles.1"


def test_an_unknown_role_on_the_command_line(inventory: Path) -> None:
    found = error(inventory, "web1", "--role", "ngnix")
    assert found["message"].startswith("no selected host has the role 'ngnix'.")
    assert "nginx" in found["message"]


def test_an_unknown_parameter(inventory: Path) -> None:
    inventory.write_text(GOOD.replace("worker_connections", "worker_conections"))
    found = error(inventory)
    assert found["where"] == "inventory/hosts.yml:7 web1.nginx.worker_conections"
    assert "worker_connections" in found["message"] + found["hint"]


def test_a_parameter_of_a_wrong_type(inventory: Path) -> None:
    inventory.write_text(GOOD.replace("2048", "many"))
    found = error(inventory)
    assert found["where"] == "inventory/hosts.yml:7 web1.nginx.worker_connections"
    assert "'many'" in found["message"]


def test_tabs(inventory: Path) -> None:
    inventory.write_text(GOOD.replace("      ansible_host", "\tansible_host"))
    found = error(inventory)
    assert found["where"].startswith("inventory/hosts.yml:4")
    assert "tab" in found["message"].lower()


def test_a_duplicate_key(inventory: Path) -> None:
    inventory.write_text(GOOD + "      nginx: {}\n")
    found = error(inventory)
    assert found["where"].startswith("inventory/hosts.yml:8")
    assert "nginx" in found["message"]


def test_a_list_where_a_mapping_should_be(inventory: Path) -> None:
    inventory.write_text("shops:\n  hosts:\n    - web1\n")
    found = error(inventory)
    assert found["where"].startswith("inventory/hosts.yml:3") or found["where"].startswith(
        "inventory/hosts.yml:2"
    )
    assert "mapping" in found["message"] + found["hint"]


def test_everything_that_is_wrong_at_once(inventory: Path) -> None:
    inventory.write_text(GOOD.replace("2048", "many").replace("base, nginx", "bases, nginx"))
    assert sorted(e["where"] for e in refused(inventory).errors) == [
        "inventory/hosts.yml:5 web1.roles.0",
        "inventory/hosts.yml:7 web1.nginx.worker_connections",
    ]


def test_an_inventory_that_is_not_there(inventory: Path) -> None:
    found = error(inventory, "web1", "-i", "inventroy")
    assert "inventroy" in found["message"] + found["where"]


def test_an_option_that_does_not_exist(inventory: Path) -> None:
    assert "--rolle" in error(inventory, "web1", "--rolle", "nginx")["message"]


def test_a_role_that_cannot_be_imported(inventory: Path) -> None:
    role = inventory.parents[1] / "roles/own/__init__.py"
    role.parent.mkdir(parents=True)
    role.write_text("import os\nimport nothing_of_this_name\n")
    inventory.write_text(GOOD.replace("nginx]", "own]"))
    found = error(inventory)
    assert "nothing_of_this_name" in found["message"]
    assert found["where"].endswith("roles/own/__init__.py:2")
