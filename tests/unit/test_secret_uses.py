"""prov secrets: what is kept where, what uses it, and never a value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from inventories import project
from vaults import by_ansible, inline, password_file

from provision.cli.main import cli
from provision.vault.given import COMMAND_LINE

CANARY = "c4nary-Wort"
INVENTORY = f"""
all:
  vars:
    ansible_become_password: {inline(CANARY)}
    word: {inline(CANARY)}
    unread: {inline(CANARY)}
    roles: [web]
  hosts:
    web1:
      web: {{unseal: !secret {{env: UNSEAL}}, size: 3}}
      line: "a {{{{ word }}}}"
      apps:
        shop:
          secrets: {{KEY: !secret {{command: [pass, show, k], field: f}}, URL: "x://{{{{ url_word }}}}@h"}}
          environment: {{DB_PASSWORD: {CANARY}, PLAIN: a}}
      url_word: !secret {{aws_secret: shop, region: eu-central-1}}
    web2: {{db_password: {CANARY}}}
"""
ROLE = '''
"""A role."""
from provision.roles.role_model import Params, task
from provision.secrets import Secret


class Web(Params):
    """Its parameters."""

    unseal: Secret | None = None
    size: int = 0


@task
def install(c, p: Web) -> None:
    """Install."""
    print(c.vars["line"])
'''


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", password_file(tmp_path))
    (tmp_path / "hosts.yml").write_text(INVENTORY.lstrip("\n"))
    (tmp_path / "pyproject.toml").write_text('[tool.prov]\ninventory = ["hosts.yml"]\n')
    project(tmp_path, {"roles/web/__init__.py": ROLE, "group_vars/all/x.yml": "a: 1\n"})
    (tmp_path / "group_vars/all/vault.yml").write_bytes(by_ansible(f"vault_pin: 123456\nother: {CANARY}\n"))
    yield
    COMMAND_LINE.ids, COMMAND_LINE.files, COMMAND_LINE.ask = [], [], False


def listed(*words: str) -> tuple[dict[str, Any], str]:
    done = CliRunner().invoke(cli, ["secrets", "--json", *words])
    found = [json.loads(line) for line in done.stdout.splitlines() if line]
    return {each["name"]: each for each in found if each["event"] == "secret"}, done.stdout


def line_of(text: str) -> int:
    """The first line of the inventory that has a text."""
    return next(n for n, line in enumerate(Path("hosts.yml").read_text().splitlines(), 1) if text in line)


def test_each_secret_is_listed_with_its_users() -> None:
    found, said = listed()
    assert CANARY not in said and "123456" not in said
    assert {name: (each["storage"], each["users"]) for name, each in found.items()} == {
        "ansible_become_password": ("vault", ["connection"]),
        "word": ("vault", ["role web"]),
        "unread": ("vault", []),
        "vault_pin": ("vault file", []),
        "other": ("vault file", []),
        "web.unseal": ("env UNSEAL", ["role web"]),
        "apps.shop.secrets.KEY": ("command pass show k, field f", ["application shop"]),
        "apps.shop.secrets.URL": ("template", ["application shop"]),
        "apps.shop.environment.DB_PASSWORD": ("plain text", ["application shop"]),
        "url_word": ("aws_secret shop", ["application shop"]),
        "db_password": ("plain text", []),
    }
    assert (
        found["word"]["hosts"] == ["web1", "web2"]
        and found["word"]["where"] == f"hosts.yml:{line_of('    word:')}"
    )
    assert found["other"]["where"] == "group_vars/all/vault.yml:2"


def test_only_the_unused_ones() -> None:
    found, _ = listed("--unused", "web1")
    assert set(found) == {"unread", "vault_pin", "other"}
    text = CliRunner().invoke(cli, ["secrets", "--unused", "web1"]).stdout
    assert "unread" in text and "nothing" in text and CANARY not in text


def test_a_file_that_cannot_be_opened_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE")
    done = CliRunner().invoke(cli, ["secrets"])
    assert "group_vars/all/vault.yml:1: is encrypted" in str(done.exception)
