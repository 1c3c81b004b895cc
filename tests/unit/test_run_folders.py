"""The folder of a run: gone with the run, or, if that was killed, with the next run of the same user."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from provision.controller.openssh import client_folders

RUN = """
import sys
from provision.controller.openssh.client_folders import run_folder
folder = run_folder()
(folder / "log-1").write_text("said")
print(folder, flush=True)
sys.stdin.read()
"""


def begun(temporary: Path) -> tuple[subprocess.Popen[str], Path]:
    """A run that has made its folder, and waits for the end of its input."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert folder.parent == temporary
    return process, folder


def ended(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=20)


def test_a_killed_runs_folder_goes_with_the_next_run(tmp_path: Path) -> None:
    killed, left = begun(tmp_path)
    killed.send_signal(signal.SIGKILL)
    ended(killed)
    assert (left / "log-1").exists(), "nobody could have removed it"
    following, own = begun(tmp_path)
    assert list(tmp_path.iterdir()) == [own]
    ended(following)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_still_under_way_keeps_its_folder(tmp_path: Path) -> None:
    first, its = begun(tmp_path)
    second, _ = begun(tmp_path)
    assert (its / "log-1").exists()
    ended(second)
    assert (its / "log-1").exists()
    ended(first)


def test_links_are_left_alone_with_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / f"{client_folders.PREFIX}x").symlink_to(tmp_path / "precious")
    client_folders.remove_abandoned(tmp_path)
    assert (tmp_path / f"{client_folders.PREFIX}x").is_symlink()
    assert (tmp_path / "precious" / "file").exists()


def test_another_users_folder_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / f"{client_folders.PREFIX}x"
    theirs.mkdir()
    us = theirs.stat().st_uid + 1
    monkeypatch.setattr(os, "geteuid", lambda: us)
    client_folders.remove_abandoned(tmp_path)
    assert theirs.is_dir()


def test_a_folder_that_another_run_took_for_an_abandoned_one_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(client_folders, "_made", [])
    flock = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        if how == fcntl.LOCK_SH and not seen:
            seen.append(how)
            client_folders.remove_abandoned(tmp_path)
        flock(descriptor, how)

    seen: list[int] = []
    monkeypatch.setattr(fcntl, "flock", late)
    assert client_folders.locked_folder() is None
    found = client_folders.locked_folder()
    assert found is not None and found.is_dir()
