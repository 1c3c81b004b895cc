"""Hosts as ~/.ssh/config knows them: aliases, ports, keys, jump hosts."""

from __future__ import annotations

import pytest
from helpers.cli import prov
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project

from provision import lab

pytestmark = pytest.mark.lab

TARGET, GATE = "t-behind", "t-gate"


@pytest.fixture(scope="module")
def hosts(lab_hosts: Hosts) -> dict[str, lab.LabHost]:
    """A target, which listens on a second port too, and a gate to it."""
    found = lab_hosts.up({TARGET: Kind(), GATE: Kind(login="sudo")})
    on(TARGET, "sh", "-c", "printf 'Port 22\\nPort 2022\\n' >/etc/ssh/sshd_config.d/t-ports.conf")
    on(TARGET, "systemctl", "reload", "ssh")
    return found


def test_an_alias_with_address_port_user_and_key(hosts: dict[str, lab.LabHost], project: Project) -> None:
    target = hosts[TARGET]
    environment = project.home(
        config=f"""
        Host shop
            HostName {target.address}
            Port 2022
            User root
            IdentityFile {target.key}
        """
    )
    known = target.known_hosts.read_text().splitlines()
    (key,) = [line.split(maxsplit=1)[1] for line in known if target.address in line.split()[0].split(",")]
    (project.folder / "home/.ssh/known_hosts").write_text(f"[{target.address}]:2022 {key}\n")
    project.role("own", 'files.file(c, "/srv/alias", "text")').inventory({"shop": None}, roles=["own"])
    assert prov("deploy", "shop", cwd=project.folder, env=environment, status=0).errors == []
    assert on(TARGET, "cat", "/srv/alias") == "text"


def test_a_jump_host(hosts: dict[str, lab.LabHost], project: Project) -> None:
    target, gate = hosts[TARGET], hosts[GATE]
    environment = project.home(
        target,
        gate,
        config=f"""
        Host gate
            HostName {gate.address}
            User {gate.user}
            IdentityFile {gate.key}
        Host shop
            HostName {target.address}
            User root
            IdentityFile {target.key}
            ProxyJump gate
        """,
    )
    project.role(
        "own",
        'command.command(c, ["sh", "-c", "ss -Htn state established sport = :22 >/srv/from"], reason="test")',
    ).inventory({"shop": None}, roles=["own"])
    assert prov("deploy", "shop", cwd=project.folder, env=environment, status=0).errors == []
    assert gate.address in on(TARGET, "cat", "/srv/from")


def test_an_unknown_key_of_a_jump_host_is_refused(hosts: dict[str, lab.LabHost], project: Project) -> None:
    target, gate = hosts[TARGET], hosts[GATE]
    environment = project.home(
        target,
        config=f"""
        Host shop
            HostName {target.address}
            User root
            IdentityFile {target.key}
            ProxyJump {gate.user}@{gate.address}
        """,
    )
    project.role("own", 'files.file(c, "/srv/alias", "text")').inventory({"shop": None}, roles=["own"])
    error = prov("deploy", "shop", cwd=project.folder, env=environment, status=4).error()
    assert error["message"].startswith(
        f"Host key verification failed: no host key is known for the jump host {gate.address}; it is ED25519 SHA256:"
    )
    assert error["hint"].endswith("to accept it: prov ssh shop -- true")


def test_whether_the_gate_or_the_host_refuses_is_told(
    hosts: dict[str, lab.LabHost], project: Project
) -> None:
    target, gate = hosts[TARGET], hosts[GATE]
    config = """
        Host gate
            HostName {gate.address}
            User {user}
            IdentityFile {gate.key}
        Host shop
            HostName {target.address}
            Port {port}
            User root
            IdentityFile {target.key}
            ProxyJump gate
    """
    project.role("own", 'files.file(c, "/srv/alias", "text")').inventory({"shop": None}, roles=["own"])

    stranger = project.home(
        target, gate, config=config.format(target=target, gate=gate, user="nobody", port=22)
    )
    error = prov("deploy", "shop", cwd=project.folder, env=stranger, status=4).error()
    denied = f"nobody@{gate.address}: Permission denied (publickey,password)."
    assert error["message"] == f"the jump host gate: {denied}"

    closed = project.home(
        target, gate, config=config.format(target=target, gate=gate, user=gate.user, port=2)
    )
    error = prov("deploy", "shop", cwd=project.folder, env=closed, status=4).error()
    refused = "channel 0: open failed: connect failed: Connection refused"
    assert error["message"] == f"the jump host gate: {refused} / stdio forwarding failed"
    assert error["hint"] == "Is the host up, and may the jump host connect to it?"
