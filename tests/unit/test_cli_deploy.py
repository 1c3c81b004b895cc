"""prov deploy, plan, ping, facts and run with the real agent, without SSH."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cli_project import Prov, command_line, greeting_project, use_local_agents

FAILING = '["sh", "-c", "echo said; echo wrong >&2; exit 3"]'


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    """Runs the command line in the current folder; gives exit status, stdout and stderr."""
    use_local_agents(monkeypatch.setattr, tmp_path)

    return command_line(monkeypatch, capsys)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose role writes a file; the current folder."""
    monkeypatch.chdir(greeting_project(tmp_path / "project"))
    return tmp_path / "project"


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose role runs a command that fails; the current folder."""
    monkeypatch.chdir(greeting_project(tmp_path / "failing", words=FAILING))
    return tmp_path / "failing"


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_plan_touches_nothing_and_says_3(prov: Prov, here: Path) -> None:
    status, out, err = prov("plan", "web1")
    assert (status, err) == (3, "")
    assert f"web1: greeter: file {here}/host/greeting: would change" in out
    assert "    +hello from web1" in out
    assert not (here / "host/greeting").exists()
    assert prov("deploy", "web1", "--check")[0] == 3


def test_a_deploy_makes_it_so_and_then_nothing_changes(prov: Prov, here: Path) -> None:
    status, out, _ = prov("deploy", "web1")
    assert status == 0 and "web1: 0 ok, 1 changed" in out
    assert (here / "host/greeting").read_text() == "hello from web1\n"
    status, out, _ = prov("deploy", "web1", "-v")
    assert status == 0 and "web1: 1 ok, 0 changed" in out and "nothing to change" in out
    assert ": ok (" in out
    assert prov("plan", "web1")[0] == 0


@pytest.mark.usefixtures("here")
def test_no_diff(prov: Prov) -> None:
    assert "hello from" not in prov("plan", "web1", "--no-diff")[1]


@pytest.mark.usefixtures("here")
def test_json(prov: Prov) -> None:
    status, out, err = prov("deploy", "web1", "--json")
    found = objects(out)
    assert (status, err) == (0, "")
    assert [line["event"] for line in found] == ["host", "step", "host", "summary"]
    step = found[1]
    assert (step["host"], step["role"], step["state"]) == ("web1", "greeter", "changed")
    assert step["where"] == "roles/greeter/__init__.py:19"
    assert step["diff"][0]["text"].endswith("+hello from web1")
    assert found[-1]["hosts"]["web1"]["changed"] == 1


def test_a_failed_step(prov: Prov, failing: Path) -> None:
    status, out, _ = prov("deploy", "web1")
    assert status == 1
    assert (
        """\
: failed
    the command failed
    roles/greeter/__init__.py:21
        command.command(c, p.words, reason="a test")
    command: sh -c 'echo said; echo wrong >&2; exit 3'
    exit status: 3
    stdout:
        said
    stderr:
        wrong
"""
        in out
    )
    assert "web1: 0 ok, 1 changed, 1 failed, 1 skipped" in out
    assert not (failing / "host/after").exists()
    error = next(line["error"] for line in objects(prov("deploy", "web1", "--json")[1]) if "error" in line)
    assert (error["status"], error["stdout"].strip(), error["stderr"].strip()) == (3, "said", "wrong")


@pytest.mark.usefixtures("here")
def test_only_some_hosts_and_roles(prov: Prov) -> None:
    hosts = objects(prov("plan", "web", "--limit", "web2", "--json", "--forks", "1")[1])[-1]["hosts"]
    assert list(hosts) == ["web2"]
    hosts = objects(prov("plan", "web", "--role", "greeter", "--json")[1])[-1]["hosts"]
    assert list(hosts) == ["web1", "web2"]


@pytest.mark.usefixtures("here")
def test_ping(prov: Prov) -> None:
    status, out, err = prov("ping", "web")
    assert (status, err) == (0, "")
    assert sorted(line.split("  ")[:2] for line in out.splitlines()) == [["web1", "ok"], ["web2", "ok"]]
    assert ", python 3." in out
    assert "facts" in [line["event"] for line in objects(prov("ping", "web1", "--json")[1])]


@pytest.mark.usefixtures("here")
def test_facts(prov: Prov) -> None:
    status, out, _ = prov("facts", "web1")
    assert status == 0 and f"hostname:     {os.uname().nodename}" in out.splitlines()
    found = objects(prov("facts", "web1", "--json")[1])
    assert found[-1]["event"] == "summary"
    assert next(line for line in found if line["event"] == "facts")["cpus"] >= 1


@pytest.mark.usefixtures("here")
def test_run(prov: Prov) -> None:
    assert prov("run", "web1", "--", "echo", "a  b")[:2] == (0, "a  b\n")
    status, out, _ = prov("run", "web", "--", "echo", "$HOME")
    assert status == 0 and sorted(out.splitlines()) == ["web1: $HOME", "web2: $HOME"]
    status, out, err = prov("run", "web1", "--", "sh", "-c", "echo out; echo err >&2; exit 4")
    assert (status, out, err) == (1, "out\n", "err\nweb1: exit status 4\n")
    found = objects(prov("run", "web1", "--json", "--", "echo", "x")[1])
    assert {"event": "output", "host": "web1", "status": 0, "stdout": "x\n", "stderr": ""} in found
    assert found[-1]["event"] == "summary"
