"""Ctrl-C and SIGTERM, sent to a real process with a real agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_project import greeting_project

SCRIPT = """
import sys
from pathlib import Path
from cli_project import use_local_agents
use_local_agents(setattr, Path(sys.argv.pop(1)))
from provision.cli.main import main
main()
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a deploy of web1 whose second step takes the given seconds; returns once it runs."""
    started: list[subprocess.Popen[str]] = []

    def run(seconds: int, *arguments: str) -> subprocess.Popen[str]:
        running = tmp_path / "running"
        words = f'["sh", "-c", "touch {running}; sleep {seconds}"]'
        folder = greeting_project(tmp_path / "project", words=words)
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path), "deploy", "web1", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # as from a shell: a background job's children would ignore SIGINT
            restore_signals=True,
        )
        started.append(process)
        until = time.monotonic() + 20
        while not running.exists():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_lets_the_running_step_end(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    process = start(3)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopping after the running steps; press Ctrl-C again to leave at once" in out
    assert "web1: 0 ok, 2 changed, 1 skipped" in out
    assert "run again, and prov continues from there" in err
    assert not (tmp_path / "project/host/after").exists()


def test_the_second_leaves_at_once(start: Start) -> None:
    process = start(40)
    process.send_signal(signal.SIGINT)
    # signals of the same number that come together are one
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "prov: interrupted" in err
    assert out.splitlines()[-1].startswith("1 step changed")


def test_as_json_the_summary_still_ends_it(start: Start) -> None:
    process = start(1, "--json")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert '{"event": "stopping"}' in out
    assert out.splitlines()[-1].startswith('{"event": "summary"')
