"""Deploys that the disk has no room for: refused before anything is touched, with the real agent, without SSH."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_project import LocalHost, command_line
from inventories import project

INVENTORY = """
web:
  hosts:
    web1: {ansible_host: 127.0.0.1, ansible_port: 9, ansible_connection: ssh, ansible_become: false, roles: [asking]}
"""
ROLE = '''"""Asks whether a deploy may begin."""

from provision.role import Host, task
from provision.steps.holds import changes_allowed


@task
def install(c: Host) -> None:
    """Ask."""
    changes_allowed(c, [], {releases!r}, {environments!r})
'''


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("new", [1 << 60, 10], "MB left, and this deploy needs about 1152921504607 MB"),
        ("new", [1, 1 << 60], "inodes left, and this deploy needs about 1152921504606846976"),
        ("new", [4096, 1], ""),
        ("old", [1 << 60, 1 << 60], ""),
    ],
)
def test_a_deploy_without_room_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    size: list[int],
    words: str,
) -> None:
    for folder in ("old", "venvs/old"):
        (tmp_path / folder).mkdir(parents=True)
    role = ROLE.format(releases={f"{tmp_path}/{name}": size}, environments=[f"{tmp_path}/venvs/new"])
    here = tmp_path / "project"
    project(here, {"inventory/hosts.yml": INVENTORY, "roles/asking/__init__.py": role})
    monkeypatch.chdir(here)

    class HostHere(LocalHost):
        ledgers = tmp_path / "ledger"

    monkeypatch.setattr("provision.run.on_hosts.Host", HostHere)
    prov = command_line(monkeypatch, capsys)
    status, out, _ = prov("deploy", "web1", "--json")
    assert status == (1 if words else 0), out
    assert words in out
