"""The role base with all that it can do: names, people, sshd; and that sshd's settings can lock no one out."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.cli import prov
from helpers.hosts import Hosts, on
from helpers.projects import Project

pytestmark = pytest.mark.lab

NAME = "t-base"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example"
BASE: dict[str, Any] = {
    "hostname": "t-base.example",
    "timezone": "Europe/Berlin",
    "users": [{"name": "ada", "keys": [KEY], "sudo": True, "groups": ["www-data"]}],
}


@pytest.fixture(scope="module")
def bare(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a bare host."""
    lab_hosts.one(NAME)
    host = {"ansible_connection": "lab", "roles": ["base"], "base": BASE}
    return Project(tmp_path_factory.mktemp("base")).inventory({NAME: host})


def test_a_plan_is_what_the_deploy_does_and_a_second_one_does_nothing(bare: Project) -> None:
    def differences(command: str, status: int) -> list[tuple[str, str, Any]]:
        steps = prov(command, NAME, cwd=bare.folder, status=status).steps(NAME)
        return [(s["step"], s["state"], s["diff"]) for s in steps]

    planned = differences("plan", 3)
    assert len(planned) == 14
    assert differences("deploy", 0) == planned
    assert {state for _, state, _ in differences("deploy", 0)} == {"ok"}
    assert on(NAME, "hostname").strip() == "t-base.example"
    assert on(NAME, "getent", "hosts", "t-base.example").split()[0] == "127.0.1.1"
    assert on(NAME, "date", "+%Z").strip() in ("CET", "CEST")
    assert "www-data" in on(NAME, "id", "-nG", "ada").split()
    assert on(NAME, "stat", "-c", "%a %U", "/home/ada/.ssh/authorized_keys").split() == ["600", "ada"]
    assert "NOPASSWD: ALL" in on(NAME, "sudo", "-l", "-U", "ada")
    assert "passwordauthentication no" in on(NAME, "sshd", "-T")


def test_security_updates_come_even_where_an_image_has_switched_their_timers_off(bare: Project) -> None:
    timers = ("apt-daily.timer", "apt-daily-upgrade.timer")
    on(NAME, "systemctl", "disable", "--now", *timers)
    run = prov("deploy", NAME, cwd=bare.folder, status=0)
    assert [s["step"] for s in run.steps(NAME) if s["state"] == "changed"] == [f"unit {t}" for t in timers]
    for state in ("is-enabled", "is-active"):
        on(NAME, "systemctl", state, *timers)
    asked = on(NAME, "apt-config", "dump", "APT::Periodic::Unattended-Upgrade")
    assert asked == 'APT::Periodic::Unattended-Upgrade "1";'
    assert prov("deploy", NAME, cwd=bare.folder, status=0).tally(NAME)["changed"] == 0


def test_settings_of_sshd_that_lock_us_out_are_taken_back(bare: Project) -> None:
    body = """
    drop_in = ssh.sshd_drop_in(c, "05-nobody.conf", "AllowUsers nobody\\n")
    systemd.service(c, "ssh", reload_on=[drop_in], check_with=["sshd", "-t"])
    """
    bare.role("locked", body, head="from provision.steps import ssh, systemd")
    bare.inventory({NAME: {"ansible_connection": "lab", "roles": ["locked"]}})
    run = prov("deploy", NAME, cwd=bare.folder, status=1)
    (failed,) = [s for s in run.steps(NAME) if s["state"] == "failed"]
    assert failed["step"] == "service ssh"
    assert "so it was put back" in failed["error"]["message"]
    assert "05-nobody.conf" not in on(NAME, "ls", "/etc/ssh/sshd_config.d")
    assert "allowusers" not in on(NAME, "sshd", "-T")
