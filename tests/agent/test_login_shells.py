"""Login shells that are not what prov's script expects: it starts all the same, or says at once what is wrong."""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path

import pytest
from agent_sessions import Agents

from provision.controller import channel, login
from provision.controller.bootstrap import command
from provision.errors import UnreachableError
from provision.steps.files import File


@pytest.mark.trust("7", "login-shells")
@pytest.mark.parametrize("sudo", [True, False])
def test_csh_can_take_the_command(sudo: bool) -> None:
    """csh(1) ends a quoted word at the line's end, and looks for events after an exclamation mark in any quotes."""
    line = command(interpreter="/opt/my python/bin/python3", sudo=sudo)
    assert "\n" not in line
    assert "!" not in line
    script = shlex.split(line)[-1]
    subprocess.run(["sh", "-n", "-c", script], check=True)


@pytest.mark.trust("7", "login-shells")
def test_another_shell_in_its_place_does_not_run_the_program(agents: Agents) -> None:
    """`exec zsh` in ~/.bashrc: that shell takes what comes on stdin for commands."""
    began = time.monotonic()
    session = agents.start(wrap=lambda command: ["bash", "-c", "exec bash"])
    with pytest.raises(UnreachableError, match="the agent did not start") as raised:
        assert session.facts
    assert "start files" in raised.value.hint
    assert "not found" not in raised.value.message
    assert time.monotonic() - began < channel.START_TIMEOUT / 2


@pytest.mark.trust("7", "login-shells")
def test_a_shell_that_reads_all_of_its_input_first(agents: Agents) -> None:
    """`exec fish` in ~/.bashrc says nothing before its input ends."""
    began = time.monotonic()
    session = agents.start(wrap=lambda command: ["bash", "-c", "exec wc -c"])
    with pytest.raises(UnreachableError, match="does not run the command that it is given") as raised:
        assert session.facts
    assert "exec fish" in raised.value.hint
    assert time.monotonic() - began < channel.START_TIMEOUT / 2


@pytest.mark.trust("7", "login-shells")
def test_a_slow_login_is_waited_for(agents: Agents, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "PROBE_AFTER", 0.5)
    with agents.session(wrap=lambda command: ["sh", "-c", f"sleep 1.5; {command}"]) as session:
        assert session.submit(File(f"{root}/x", "")).changed
    assert len(agents.channels) == 2


@pytest.mark.trust("7", "login-shells")
def test_start_files_that_ask_something(agents: Agents) -> None:
    began = time.monotonic()
    asks = "read -r project; exec "
    session = agents.start(wrap=lambda command: ["bash", "-c", asks + command])
    with pytest.raises(UnreachableError, match="reads standard input"):
        assert session.facts
    assert time.monotonic() - began < channel.START_TIMEOUT / 2


@pytest.mark.trust("7", "login-shells")
@pytest.mark.parametrize("status", [126, 127])
def test_a_python_that_can_not_be_run_is_passed_over(
    agents: Agents, root: Path, tmp_path: Path, status: int
) -> None:
    shim = tmp_path / "python3"
    shim.write_text(f"#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit {status}\n")
    shim.chmod(0o755)
    with agents.session(interpreter=str(shim)) as session:
        assert session.submit(File(f"{root}/x", "")).changed
