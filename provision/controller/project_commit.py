"""The commit of the user's project that a run comes from, for the host's history."""

from __future__ import annotations

import functools
import subprocess
import threading
from pathlib import Path

#: seconds; if git takes longer, as in a very large project, the history has no commit
PATIENCE = 5.0


@functools.cache
def _asked(folder: Path) -> subprocess.Popen[str] | None:
    """Return a running git for a folder, or None if git is not installed."""
    try:
        return subprocess.Popen(
            # git-status(1), "Background refresh": it writes no index, which as root's would not be the user's any more
            ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError:
        return None


def prefetch() -> None:
    """Start git early, while other work goes on."""
    _asked(Path.cwd())


def commit() -> str:
    """Return the current folder's commit, with ", modified" if files differ from it; "" without one."""
    with _lock:
        return _answer(Path.cwd())


_lock = threading.Lock()


@functools.cache
def _answer(folder: Path) -> str:
    process = _asked(folder)
    if process is None:
        return ""
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return ""
    lines = output.splitlines()
    found = [line.split()[2] for line in lines if line.startswith("# branch.oid ")]
    if not found or found[0] == "(initial)":
        return ""
    modified = any(not line.startswith("#") for line in lines)
    return found[0][:12] + (", modified" if modified else "")
