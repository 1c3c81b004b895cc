"""The ssh command line of prov ssh."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from inventories import host

from provision import lab
from provision.cli.main import cli
from provision.cli.ssh_command import ssh_argv
from provision.controller.openssh import client, client_folders
from provision.errors import LabError, UsageError
from provision.lab import LabHost


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of this test's own, and a connection kept nowhere else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    client_folders.socket_folder.cache_clear()


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
    words = ssh_argv(web1, [])
    assert words[0] == shutil.which("ssh")
    assert words[-8:] == ["-p", "2222", "-i", "/keys/web", "-l", "admin", "--", "192.0.2.1"]
    assert ssh_argv(web1, ["ls", "a  b", "$HOME"]) == [*words, "ls 'a  b' '$HOME'"]


def test_it_uses_the_kept_connection(tmp_path: Path) -> None:
    words = ssh_argv(host(tmp_path, "x: 1"), [])
    (path,) = [word for word in words if word.startswith("-oControlPath=")]
    assert words[1:] == ["-oControlMaster=auto", "-oControlPersist=60", path, "--", "web1"]
    assert ssh_argv(host(tmp_path, "prov_persist: 0"), [])[1:] == ["--", "web1"]


def test_the_rest_is_up_to_ssh_config(tmp_path: Path) -> None:
    words = ssh_argv(host(tmp_path, "ansible_ssh_common_args: -o ControlPath=/mine"), [])
    assert words[1:] == ["-o", "ControlPath=/mine", "--", "web1"], "one's own way to keep connections"


def test_an_old_client_is_good_enough_for_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "find_client", lambda name: None)
    assert ssh_argv(host(tmp_path, "ansible_user: ann"), []) == ["ssh", "-l", "ann", "--", "web1"]


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
    assert words[-5:] == ["-l", "root", "--", "192.0.2.7", "id -u"]
    assert f'-oUserKnownHostsFile="{tmp_path}/known_hosts"' in words and "-oIdentitiesOnly=yes" in words
    monkeypatch.setattr(lab, "find", lambda _: None)
    with pytest.raises(LabError, match="the lab host web1 is not up"):
        ssh_argv(web1, [])


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (["ls", "-l"], "ls -l"),
        (["--", "cd /srv; ls"], "sh -c 'cd /srv; ls'"),
        (["uptime"], "uptime"),
        (["--", "ls|wc"], "sh -c 'ls|wc'"),
    ],
)
def test_a_line_in_one_word_is_for_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], sent: str
) -> None:
    (tmp_path / "h.yml").write_text("all:\n  hosts:\n    web1: {ansible_host: 192.0.2.7}\n")
    ran: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda program, words: ran.append(words))
    CliRunner().invoke(cli, ["ssh", "-i", str(tmp_path / "h.yml"), "web1", *given], catch_exceptions=False)
    assert ran[0][-1] == sent


def test_logs_take_one_application(tmp_path: Path) -> None:
    (tmp_path / "h.yml").write_text("all:\n  hosts:\n    web1: {ansible_host: 192.0.2.7}\n")
    with pytest.raises(UsageError, match="two applications are named: shop and --app api"):
        CliRunner().invoke(
            cli,
            ["logs", "-i", str(tmp_path / "h.yml"), "web1", "shop", "--app", "api"],
            catch_exceptions=False,
        )
