"""prov deploy --continue: after a deploy in waves that has stopped, with the real agent, without SSH."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from cli_project import ROLE, LocalHost, Prov, command_line
from inventories import project

from provision.controller.login import Login
from provision.controller.shared_work import SharedWork

INVENTORY = """
web:
  vars:
    ansible_connection: ssh
    ansible_become: false
    roles: [greeter]
  hosts:
    web1: {{ansible_host: 127.0.0.1, ansible_port: 9, greeter: {{folder: "{0}/web1"}}}}
    web2: {{ansible_host: 127.0.0.1, ansible_port: 9, greeter: {{folder: "{0}/web2", words: [test, -e, "{0}/mended"]}}}}
    web3: {{ansible_host: 127.0.0.1, ansible_port: 9, greeter: {{folder: "{0}/web3"}}}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a project with three hosts. The second one fails until the file `mended` exists."""
    folder = tmp_path / "project"
    for name in ("web1", "web2", "web3"):
        (folder / name).mkdir(parents=True)
    project(folder, {"inventory/hosts.yml": INVENTORY.format(folder), "roles/greeter/__init__.py": ROLE})
    monkeypatch.chdir(folder)

    class HostHere(LocalHost):
        ledgers = tmp_path / "ledger"

        def _login(self) -> Login:
            return dataclasses.replace(super()._login(), ledger=f"{self.ledgers}-{self.name}")

    monkeypatch.setattr("provision.run.on_hosts.Host", HostHere)
    return folder


@pytest.fixture
def prov(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    return command_line(monkeypatch, capsys)


def deployed(text: str) -> list[str]:
    """The hosts that a run has been at."""
    events = [json.loads(line) for line in text.splitlines()]
    return sorted({event["host"] for event in events if event["event"] == "step"})


def test_the_hosts_that_are_left_are_deployed(here: Path, prov: Prov) -> None:
    status, out, _ = prov("deploy", "web", "--batch", "1", "--json")
    assert (status, deployed(out)) == (1, ["web1", "web2"])
    (here / "mended").touch()
    status, out, _ = prov("deploy", "web", "--continue", "--check", "--json")
    assert (status, deployed(out)) == (3, ["web2", "web3"])
    status, out, _ = prov("deploy", "web", "--continue", "--batch", "1", "--json")
    assert (status, deployed(out)) == (0, ["web2", "web3"])
    standing = [json.loads(line) for line in out.splitlines() if '"standing"' in line]
    assert [(each["host"], each["done"]) for each in standing] == [
        ("web1", True), ("web2", False), ("web3", False)
    ]  # fmt: skip
    assert (here / "web3/greeting").read_text() == "hello from web3\n"

    status, _, err = prov("deploy", "web", "--continue")
    assert status == 2
    assert "there is nothing to continue, as all 3 hosts have what this deploy brings" in err


def test_it_stops_and_continues_more_than_once(here: Path, prov: Prov) -> None:
    assert prov("deploy", "web", "--batch", "1")[0] == 1
    status, out, _ = prov("deploy", "web", "--continue", "--batch", "1", "--max-failures", "1", "--json")
    assert (status, deployed(out)) == (1, ["web2", "web3"])
    (here / "mended").touch()
    status, out, _ = prov("deploy", "web", "--continue", "--json")
    assert (status, deployed(out)) == (0, ["web2"])


def test_what_has_changed_in_between_is_refused(here: Path, prov: Prov) -> None:
    assert prov("deploy", "web", "--batch", "1")[0] == 1
    (here / "mended").touch()
    role, hosts = here / "roles/greeter/__init__.py", here / "inventory/hosts.yml"
    for file, old, new in ((role, "hello", "welcome"), (hosts, "[greeter]", "[greeter]\n    colour: red")):
        before = file.read_text()
        file.write_text(before.replace(old, new))
        status, out, err = prov("deploy", "web", "--continue", "--batch", "1")
        assert (status, out) == (2, "")
        assert "none of these hosts has what this deploy brings, so it continues no other" in err
        file.write_text(before)
    # another set of hosts is another deploy
    assert prov("deploy", "web1,web3", "--continue")[0] == 2
    assert not (here / "web3/greeting").exists()
    assert prov("deploy", "web", "--continue")[0] == 0


def test_a_deploy_without_waves_is_none_to_continue(here: Path, prov: Prov) -> None:
    assert prov("deploy", "web")[0] == 1
    (here / "mended").touch()
    status, _, err = prov("deploy", "web", "--continue")
    assert status == 2
    assert "To begin with all hosts:  prov deploy web" in err
    status, _, err = prov("deploy", "web", "--continue", "--dry-build")
    assert status == 2 and "--continue is for a deploy that has stopped" in err


def test_what_is_done_once_for_all_hosts_is_not_done_again() -> None:
    work = SharedWork({"shop": "", "api": "web3"}, ["web3", "web4"])
    work.done("shop")
    assert not work.is_first("shop", "web3")
    assert work.wait("shop") == ""
    assert work.is_first("api", "web3")
