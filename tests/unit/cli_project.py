"""Help for the tests of the command line: a project with a role, and hosts that are this machine's own agent."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inventories import project

from provision.cli import main as cli
from provision.controller.channel import Channel, ProcessChannel
from provision.controller.login import Login
from provision.roles.role_host import Host

ROLE = '''
    """Greets."""

    from provision.roles.role_model import Params, task
    from provision.steps import command, files


    class Greeter(Params):
        """Whom, where."""

        folder: str
        """Where the greeting goes."""
        words: list[str] = []
        """Of a command that is run."""


    @task
    def greet(c, p: Greeter) -> None:
        """Write a greeting, run a command."""
        files.file(c, f"{p.folder}/greeting", f"hello from {c.name}\\n")
        if p.words:
            command.command(c, p.words, reason="a test")
            files.file(c, f"{p.folder}/after", "")
    '''


def greeting_project(folder: Path, words: str = "[]") -> Path:
    """A project with the role `greeter` on web1 and web2; the hosts' files go to host/ in the folder."""
    (folder / "host").mkdir(parents=True)
    inventory = f"""
    web:
      vars:
        ansible_become: false
        roles: [greeter]
        greeter: {{folder: {folder / "host"}, words: {words}}}
      hosts:
        web1: {{ansible_host: 127.0.0.1, ansible_port: 9}}
        web2: {{ansible_host: 127.0.0.1, ansible_port: 9}}
    """
    return project(folder, {"inventory/hosts.yml": inventory, "roles/greeter/__init__.py": ROLE})


class LocalHost(Host):
    """A host whose agent is a process on this machine: everything is real but SSH.

    ledgers: where each agent has one of its own, with a number after that.
    """

    ledgers: Path
    numbers = itertools.count()

    def open(self) -> None:
        """There is nothing to connect to."""

    def _open_channel(self, command: str) -> Channel:
        return ProcessChannel(["sh", "-c", command])

    def _login(self) -> Login:
        return dataclasses.replace(super()._login(), ledger=f"{self.ledgers}-{next(self.numbers)}")


def use_local_agents(patch: Any, folder: Path) -> None:
    """Let runs use LocalHost, each agent with a ledger of its own below the folder.

    patch: called with an object, an attribute's name and its new value.
    """
    import provision.run.on_hosts

    class HostHere(LocalHost):
        ledgers = folder / "ledger"

    patch(provision.run.on_hosts, "Host", HostHere)


Prov = Callable[..., tuple[object, str, str]]


def command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    """Return what runs the command line in the current folder; it gives exit status, stdout and stderr."""

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.argv", ["prov", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out = capsys.readouterr()
        return caught.value.code, out.out, out.err

    return run


def steps(out: str) -> dict[str, tuple[str, Any]]:
    """Return state and diff of each step of a run, by its name. out: its output as JSON."""
    events = [json.loads(line) for line in out.splitlines()]
    return {each["step"]: (each["state"], each["diff"]) for each in events if each["event"] == "step"}
