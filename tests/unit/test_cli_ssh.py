"""The ssh command line of prov ssh."""

from __future__ import annotations

from pathlib import Path

import pytest
from inventories import host

from provision import lab
from provision.commands.ssh import ssh_argv
from provision.errors import LabError
from provision.lab import LabHost


def test_what_the_inventory_says(tmp_path: Path) -> None:
    web1 = host(
        tmp_path,
        """
        ansible_host: 192.0.2.1
        ansible_port: 2222
        ansible_user: admin
        ansible_ssh_private_key_file: /keys/web
        """,
    )
    expected = ["ssh", "-l", "admin", "-p", "2222", "-i", "/keys/web", "--", "192.0.2.1"]
    assert ssh_argv(web1, []) == expected
    assert ssh_argv(web1, ["ls", "a  b", "$HOME"]) == [*expected, "ls 'a  b' '$HOME'"]


def test_the_rest_is_up_to_ssh_config(tmp_path: Path) -> None:
    assert ssh_argv(host(tmp_path, "x: 1"), []) == ["ssh", "--", "web1"]


def test_a_lab_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web1 = host(tmp_path, "ansible_connection: lab")
    found = LabHost(
        name="web1",
        address="192.0.2.7",
        image="debian-12",
        state="running",
        login="root",
        user="root",
        port=22,
        key=tmp_path / "key",
        known_hosts=tmp_path / "known_hosts",
        driver="nspawn",
    )
    monkeypatch.setattr(lab, "find", lambda _: found)
    words = ssh_argv(web1, ["id", "-u"])
    assert words[-3:] == ["root@192.0.2.7", "--", "id -u"]
    assert f"-oUserKnownHostsFile={tmp_path}/known_hosts" in words and "-oIdentitiesOnly=yes" in words
    monkeypatch.setattr(lab, "find", lambda _: None)
    with pytest.raises(LabError, match="the lab host web1 is not up"):
        ssh_argv(web1, [])
