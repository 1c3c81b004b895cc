"""Hosts that cannot be reached, or do not let prov in: exit status 4, why, and what to do."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project, by_address

from provision import lab

pytestmark = pytest.mark.lab

NAME = "t-login"
#: the host in the inventory, reached by its address as no lab host is
HOST = "web1"


@pytest.fixture(scope="module")
def host(lab_hosts: Hosts) -> lab.LabHost:
    return lab_hosts.one(NAME)


@pytest.fixture(scope="module")
def with_password(lab_hosts: Hosts) -> lab.LabHost:
    """A host whose sudo asks for a password."""
    return lab_hosts.one("t-pass", Kind(login="sudo-password"))


def reached(project: Project, variables: dict[str, Any]) -> Project:
    """A project with one host and a role that does next to nothing."""
    project.role("own", 'files.file(c, "/srv/reached", "text")')
    return project.inventory({HOST: variables}, roles=["own"])


def refused(run: Run) -> dict[str, Any]:
    """The error of a run that came to no session."""
    assert run.status == 4, run
    assert run.tally(HOST) == {"ok": 0, "changed": 0, "failed": 0, "skipped": 0, "maybe": 0, "unreachable": 1}
    ends = [e for e in run.events if e["event"] == "host"]
    assert ends[-1]["state"] == "unreachable"
    return run.error()


def new_key(path: Path) -> str:
    """Make a key pair; returns the public half."""
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(argv, check=True, timeout=10)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def fingerprint(public: str) -> str:
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def test_by_its_address_as_any_host(host: lab.LabHost, project: Project) -> None:
    reached(project, by_address(host))
    assert prov("deploy", HOST, cwd=project.folder, env=project.home(host), status=0).errors == []


def test_nobody_at_the_address(host: lab.LabHost, project: Project) -> None:
    absent = host.address.rsplit(".", 1)[0] + ".250"
    reached(project, {**by_address(host), "ansible_host": absent})
    began = time.monotonic()
    error = refused(prov("deploy", HOST, cwd=project.folder, env=project.home(host)))
    assert error["message"] in (
        f"connect to host {absent} port 22: No route to host",
        f"connect to host {absent} port 22: Connection timed out",
    )
    assert error["hint"] == "Is the host up, and sshd running on that port?"
    assert time.monotonic() - began < 40


def test_nobody_listens_on_the_port(host: lab.LabHost, project: Project) -> None:
    reached(project, {**by_address(host), "ansible_port": 2222})
    error = refused(prov("deploy", HOST, cwd=project.folder, env=project.home(host)))
    assert error["message"] == f"connect to host {host.address} port 2222: Connection refused"


def test_a_name_that_does_not_resolve(host: lab.LabHost, project: Project) -> None:
    reached(project, {**by_address(host), "ansible_host": "nowhere.invalid"})
    error = refused(prov("deploy", HOST, cwd=project.folder, env=project.home(host)))
    assert error["message"] == "Could not resolve hostname nowhere.invalid: Name or service not known"
    assert "~/.ssh/config" in error["hint"]


def test_a_lab_host_that_is_not_up(project: Project) -> None:
    reached(project, {"ansible_connection": "lab"})
    inventory = project.folder / "inventory/hosts.yml"
    inventory.write_text(inventory.read_text().replace(HOST, "t-not-up"))
    run = prov("deploy", "t-not-up", cwd=project.folder, status=4)
    assert run.error()["message"] == "the lab host t-not-up is not up"
    assert run.error()["hint"] == "Boot it: prov lab up t-not-up"


def test_a_refused_key(host: lab.LabHost, project: Project) -> None:
    key = project.folder / "other_key"
    new_key(key)
    reached(project, {**by_address(host), "ansible_ssh_private_key_file": str(key)})
    error = refused(prov("deploy", HOST, cwd=project.folder, env=project.home(host)))
    denied = f"root@{host.address}: Permission denied (publickey,password)"
    assert error["message"] == f"{denied}; offered {key}"
    assert "authorized_keys" in error["hint"]


def test_a_key_file_that_is_not_there(host: lab.LabHost, project: Project) -> None:
    key = project.folder / "no_such_key"
    reached(project, {**by_address(host), "ansible_ssh_private_key_file": str(key)})
    error = refused(prov("deploy", HOST, cwd=project.folder, env=project.home(host)))
    assert error["message"] == f"the private key {key} is not there"
    assert error["hint"] == "Check ansible_ssh_private_key_file."


def test_an_unknown_host_key_and_the_command_that_accepts_it(host: lab.LabHost, project: Project) -> None:
    reached(project, by_address(host))
    home = project.home()
    error = refused(prov("deploy", HOST, cwd=project.folder, env=home))
    public = on(NAME, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    said = f"No ED25519 host key is known for {host.address} and you have requested strict checking"
    assert error["message"] == f"Host key verification failed: {said}: ssh-ed25519 {fingerprint(public)}"
    accept = f"ssh-keyscan -t ed25519 {host.address} >> {home['HOME']}/.ssh/known_hosts"
    assert error["hint"].endswith(f"to accept it: {accept}")
    environment = {**os.environ, **home}
    subprocess.run(accept, shell=True, env=environment, timeout=20, check=True, stderr=subprocess.DEVNULL)
    prov("deploy", HOST, cwd=project.folder, env=home, status=0)


def test_a_changed_host_key_and_the_command_that_forgets_it(host: lab.LabHost, project: Project) -> None:
    reached(project, by_address(host))
    home = project.home()
    other = new_key(project.folder / "other_host_key")
    known = project.folder / "home/.ssh/known_hosts"
    known.write_text(f"{host.address} {other}\n")
    error = refused(prov("deploy", HOST, cwd=project.folder, env=home))
    now = on(NAME, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    assert error["message"] == (
        f"Host key for {host.address} has changed and you have requested strict checking: it is ssh-ed25519"
        f" {fingerprint(now)}, and another one is known ({known}:1)"
    )
    assert error["hint"].endswith(f"ssh-keygen -f {known} -R {host.address}")
    assert known.read_text() == f"{host.address} {other}\n", "nothing is accepted unseen"


def test_sudo_wants_a_password_and_nobody_is_there(with_password: lab.LabHost, project: Project) -> None:
    reached(project, by_address(with_password))
    error = refused(prov("deploy", HOST, cwd=project.folder, env=project.home(with_password)))
    assert error["message"] == "sudo wants a password"
    assert "ansible_become_password" in error["hint"]


def test_a_wrong_sudo_password(with_password: lab.LabHost, project: Project) -> None:
    reached(project, {**by_address(with_password), "ansible_become_password": "wrong-one-4711"})
    run = prov("deploy", HOST, cwd=project.folder, env=project.home(with_password))
    assert refused(run)["message"] == "sudo does not take this password"
    assert "wrong-one-4711" not in run.stdout + run.stderr


def test_the_right_sudo_password(with_password: lab.LabHost, project: Project) -> None:
    reached(project, {**by_address(with_password), "ansible_become_password": with_password.password})
    run = prov("deploy", HOST, cwd=project.folder, env=project.home(with_password), status=0)
    assert with_password.password not in run.stdout + run.stderr


def test_a_login_without_root_and_without_sudo(with_password: lab.LabHost, project: Project) -> None:
    reached(project, {**by_address(with_password), "ansible_become": False})
    project.role("own", 'files.file(c, "/etc/not-mine", "text")')
    run = prov("deploy", HOST, cwd=project.folder, env=project.home(with_password), status=1)
    assert "permission denied" in run.error()["message"]
    assert "ansible_become" in run.error()["hint"]


def test_one_unreachable_host_does_not_hold_up_the_others(host: lab.LabHost, project: Project) -> None:
    project.role("own", 'files.file(c, "/srv/reached", "text")')
    closed = {**by_address(host), "ansible_port": 2222}
    project.inventory({HOST: by_address(host), "web2": closed}, roles=["own"])
    run = prov("deploy", "tests", cwd=project.folder, env=project.home(host), status=4)
    assert run.tally(HOST)["unreachable"] == 0
    assert len(run.steps(HOST)) == 1
    assert run.tally("web2")["unreachable"] == 1
