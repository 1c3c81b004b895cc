"""Commits of the user's project and of applications' sources that are folders, for the host's history."""

from __future__ import annotations

import functools
import subprocess
import threading
from pathlib import Path

#: seconds; if git takes longer, as in a very large project, the history has no commit
PATIENCE = 5.0
#: the project's commit, where it is known without git
_known: str | None = None


@functools.cache
def _asked(folder: Path, within: bool) -> subprocess.Popen[str] | None:
    """Return a running git for a folder, or None if git is not installed."""
    # git-status(1), "Background refresh": it writes no index, which as root's would not be the user's any more
    argv = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        return subprocess.Popen(
            [*argv, "--", "."] if within else argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError:
        return None


def prefetch(folder: Path | None = None) -> None:
    """Start git early, while other work goes on."""
    with _lock:
        _asked(folder or Path.cwd(), folder is not None)


def take(known: str) -> None:
    """Have this be the project's commit: a bundle was made from it elsewhere."""
    global _known
    _known = known


def commit(folder: Path | None = None) -> str:
    """Return a folder's commit, with ", modified" if files differ from it; "" without one.

    folder: of an application's source, in which alone files count; by default the project's, the current one.
    """
    if folder is None and _known is not None:
        return _known
    with _lock:
        return _answer(folder or Path.cwd(), folder is not None)


_lock = threading.Lock()


@functools.cache
def _answer(folder: Path, within: bool) -> str:
    process = _asked(folder, within)
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
