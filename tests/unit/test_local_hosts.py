"""Hosts that are this machine: everything is real, with a ledger below the test's folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from inventories import project

import provision.run.on_hosts
from provision.cli.main import cli
from provision.controller.local_transport import LocalTransport
from provision.controller.login import Login
from provision.controller.transport import Target
from provision.controller.transport_choice import transport_to
from provision.inventory import load
from provision.roles.role_host import Host

ROLE = """
    from provision.role import Host, task
    from provision.steps import command, files


    @task
    def mine(c: Host) -> None:
        done = c.run("pwd; echo $VIRTUAL_ENV$SECRET_OF_PROV; echo $PATH", hide=True)
        files.file(c, f"{c.vars['folder']}/written", content=done.stdout + c.vars["text"])
        path = f"{c.vars['folder']}/path"
        command.command(c, ["sh", "-c", f"echo $PATH > {path}"], creates=path)
    """


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose only host is this machine."""

    class HostHere(Host):
        def _login(self) -> Login:
            return dataclasses.replace(super()._login(), ledger=str(tmp_path / "ledger"))

    monkeypatch.setattr(provision.run.on_hosts, "Host", HostHere)
    monkeypatch.setenv("SECRET_OF_PROV", "not for hosts")
    hosts = f"""
        all:
          hosts:
            anything:
              ansible_connection: local
              ansible_become: false
              roles: [mine]
              folder: {tmp_path}
              text: "{{{{ inventory_hostname }}}}\\n"
        """
    folder = project(tmp_path / "project", {"inventory/hosts.yml": hosts, "roles/mine/__init__.py": ROLE})
    monkeypatch.chdir(folder)
    return tmp_path


def prov(*words: str) -> Result:
    """A run of prov."""
    return CliRunner().invoke(cli, [*words])


def changes(result: Result) -> list[tuple[str, str]]:
    """Each step with its state."""
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return [(line["step"], line["state"]) for line in lines if line["event"] == "step"]


def test_plan_and_deploy(here: Path) -> None:
    planned, deployed, again = (changes(prov(word, "all", "--json")) for word in ("plan", "deploy", "deploy"))
    assert [name for name, _ in planned] == [name for name, _ in deployed] == [name for name, _ in again]
    assert [state for _, state in planned] == ["changed", "changed"]
    assert [state for _, state in deployed] == ["changed", "changed"]
    assert [state for _, state in again] == ["ok", "ok"]
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert (here / "written").read_text() == f"{Path.home()}\n\n{path}\nanything\n"
    assert (here / "path").read_text() == f"{path}\n"


def test_it_is_listed_as_this_machine(here: Path) -> None:
    assert prov("hosts").stdout.splitlines()[1].split() == ["anything", "(local)", "ungrouped", "mine"]


def test_nothing_of_ssh_is_asked(tmp_path: Path) -> None:
    text = (
        "w1 ansible_connection=ansible.builtin.local ansible_host=192.0.2.1 ansible_port=9 ansible_user=x\n"
    )
    project(tmp_path, {"hosts.ini": text})
    assert load(["hosts.ini"], cwd=tmp_path).hosts["w1"].connection.kind == "local"
    way = transport_to(Target("192.0.2.1", local=True, executable="/no/such/ssh"))
    assert isinstance(way, LocalTransport)
    channel = way.channel("cat; exit 3")
    channel.send(b"x" * 200_000)
    channel.end_input()
    while not channel.eof:
        assert channel.wait(10)
    assert len(channel.out) == 200_000
    channel.close()
