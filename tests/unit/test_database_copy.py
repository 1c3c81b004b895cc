"""prov db copy: which copies are refused. tests/prove/test_copied_databases.py makes some."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_project import command_line
from inventories import project

from provision.cli import database_copy

Prov = Callable[..., tuple[object, str, str]]
APP = '{source: .., target: "shop:app", domains: [DOMAIN], uses: {database: {postgres: DB}, other: {redis: DB}}}'
INVENTORY = f"""
staging:
  vars: {{roles: [python, app]}}
  hosts:
    s1: {{ansible_host: 192.0.2.1, apps: {{shop: {APP.replace("DOMAIN", "s.test").replace("DB", "sdb")}}}}}
    sdb: {{ansible_host: 192.0.2.2, roles: [postgres, redis]}}
prod_eu:
  vars: {{roles: [python, app]}}
  hosts:
    p1: {{ansible_host: 192.0.2.3, apps: {{shop: {APP.replace("DOMAIN", "p.test").replace("DB", "pdb")}}}}}
    pdb: {{ansible_host: 192.0.2.4, roles: [postgres, redis]}}
"""


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    files = {"inventory/hosts.yml": INVENTORY, "requirements.txt": "", "mask.sql": "SELECT 1;\n"}
    monkeypatch.chdir(project(tmp_path, files))

    def never(*_: object) -> None:
        raise AssertionError("no host may be asked")

    monkeypatch.setattr(database_copy, "ssh_argv", never)
    return command_line(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["staging:shop", "prod_eu:shop"], "shop of pdb is of production, which is never a target"),
        # its database server is enough
        (["staging:shop", "p1:shop"], "shop of pdb is of production, which is never a target"),
        (["prod_eu:shop", "staging:shop"], "shop of pdb is of production, and nothing would mask its data"),
        (["staging:shop", "s1:shop"], "shop of sdb would be copied onto itself"),
        (["prod_eu:shop", "staging:shop", "--mask", "mask.sql"], "needs --yes where prov can't ask"),
        (["prod_eu:shop", "staging"], "expected TARGET:APP, got 'staging'"),
        (["prod_eu:shop", "staging:shoop"], "no application 'shoop' is declared for s1, sdb"),
        (
            ["prod_eu:shop", "staging:shop", "--use", "other"],
            "has no PostgreSQL database under `uses: {other: ...}`",
        ),
        (["prod_eu:shop", "staging:shop", "--mask", "missing.sql"], "'missing.sql' does not exist"),
    ],
)
def test_copies_that_are_refused(prov: Prov, arguments: list[str], message: str) -> None:
    status, _, err = prov("db", "copy", *arguments)
    assert status == 2
    assert message in err


@pytest.mark.parametrize("file", ["inventory/production.yml", "production/hosts.yml"])
def test_an_inventory_file_or_its_folder_marks_production(prov: Prov, tmp_path: Path, file: str) -> None:
    text = INVENTORY.replace("prod_eu:", "shop:")
    whole, marked = text.split("shop:\n  vars", 1)
    (tmp_path / "inventory" / "hosts.yml").write_text(whole)
    project(tmp_path, {file: f"shop:\n  vars{marked}"})
    status, _, err = prov("db", "copy", "staging:shop", "shop:shop", "-i", "inventory/hosts.yml", "-i", file)
    assert status == 2 and "is of production, which is never a target" in err
