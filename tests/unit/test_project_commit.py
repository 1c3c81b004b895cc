"""The commit of a project is read, and nothing in the project is written for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from provision.controller import project_commit


def test_the_index_of_the_project_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root's it would not be the user's any more."""
    git = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    (tmp_path / "file").write_text("one")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    # the same contents at another time: git would note that in its index
    os.utime(tmp_path / "file", (1, 1))
    index = tmp_path / ".git/index"
    before = index.stat()
    monkeypatch.chdir(tmp_path)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    assert project_commit.commit() == head[:12]
    assert (index.stat().st_ino, index.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
