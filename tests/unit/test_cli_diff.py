"""prov diff, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_project import ROLE, command_line, use_local_agents
from inventories import project

Prov = Callable[..., tuple[object, str, str]]
INVENTORY = """
all:
  vars:
    roles: [greeter]
    greeter: {folder: /srv/greetings}
    token: !secret {env: STAGING_TOKEN}
    db_password: "{{ word }}"
    word: one
    apps:
      shop: {source: ., target: "shop:app", domains: [staging.example.com], environment: {MODE: a, "SAME": b}}
  children:
    staging:
      hosts:
        s1: {ansible_host: 192.0.2.1}
    production:
      vars:
        token: !secret {env: TOKEN}
        word: two
        group_apps:
          shop: {domains: [example.com], environment: {MODE: c}}
      hosts:
        p1: {ansible_host: 192.0.2.2, host_apps: {shop: {workers: 8}}}
        p2: {host_apps: {shop: {workers: 16}}}
    spare:
      hosts:
        s2: {ansible_host: 192.0.2.9}
"""


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    files = {"inventory/hosts.yml": INVENTORY, "roles/greeter/__init__.py": ROLE}
    monkeypatch.chdir(project(tmp_path, files))
    return command_line(monkeypatch, capsys)


def test_it_shows_what_differs_and_nothing_else(prov: Prov) -> None:
    status, out, _ = prov("diff", "staging", "production", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    found = {e["name"]: (e["left"], e["right"]) for e in events if e["event"] == "difference"}
    assert status == 3
    assert found == {
        "hosts": (["1"], ["2"]),
        "apps.shop.domains": (['["staging.example.com"]'], ['["example.com"]']),
        "apps.shop.environment.MODE": (["a"], ["c"]),
        "apps.shop.workers": (["-"], ["8", "16"]),
        # fetched from nowhere, and compared by its name
        "token": (["env STAGING_TOKEN"], ["env TOKEN"]),
        # compared by its value, which is not shown
        "db_password": (["********"], ["********"]),
        "word": (["one"], ["two"]),
    }


def test_environments_with_the_same_settings(prov: Prov) -> None:
    status, out, _ = prov("diff", "staging", "spare")
    assert (status, out) == (0, "nothing differs between staging and spare\n")


def test_a_host_in_both_is_refused(prov: Prov) -> None:
    status, _, err = prov("diff", "production", "p2,s1")
    assert status == 2 and "in both production and p2,s1: p2" in err


def test_live_tells_which_hosts_a_deploy_would_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("done", "new"):
        (tmp_path / name).mkdir()
    (tmp_path / "done" / "greeting").write_text("hello from web1\n")
    inventory = f"""
    web:
      vars: {{roles: [greeter], ansible_become: false}}
      hosts:
        web1: {{ansible_host: 127.0.0.1, greeter: {{folder: {tmp_path / "done"}}}}}
        web2: {{ansible_host: 127.0.0.1, greeter: {{folder: {tmp_path / "new"}}}}}
    """
    monkeypatch.chdir(
        project(tmp_path, {"inventory/hosts.yml": inventory, "roles/greeter/__init__.py": ROLE})
    )
    use_local_agents(monkeypatch.setattr, tmp_path)
    status, out, err = command_line(monkeypatch, capsys)("diff", "web1", "web2", "--live", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    found = {e["name"]: (e["left"], e["right"]) for e in events if e["event"] == "difference"}
    assert (status, err) == (3, "")
    assert found["drift"] == (["-"], ["web2"])
    assert list((tmp_path / "new").iterdir()) == []
