"""The ssh client of this machine: its path and its version."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from provision.controller.openssh.answer_cache import FileState, recall, remember, state_of
from provision.values import dataclass

#: the first version that supports SSH_ASKPASS_REQUIRE
OLDEST = (8, 4)
VERSION = re.compile(r"^OpenSSH_(?:for_Windows_)?(\d+)\.(\d+)")
#: seconds for `ssh -V`
PATIENCE = 10.0


@dataclass(frozen=True)
class Client:
    """An OpenSSH client. path: of the program.  version: (9, 2)."""

    path: str
    version: tuple[int, int]


def find_client(name: str) -> Client | None:
    """Return the ssh client with a name or path; None if it is missing, not OpenSSH, or older than 8.4."""
    path = path_of(name)
    state = state_of(path) if path else None
    if state is None:
        return None
    version = recall("client", path) or ask_version(path, state)
    found = (int(version["major"]), int(version["minor"])) if version else (0, 0)
    return Client(path, found) if found >= OLDEST else None


def path_of(name: str) -> str:
    """Return the path of a program; "" if it is not in PATH."""
    if "/" in name:
        return name if os.access(name, os.X_OK) else ""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    paths = (str(Path(folder) / name) for folder in folders if folder)
    return next((path for path in paths if os.access(path, os.X_OK) and Path(path).is_file()), "")


def ask_version(path: str, state: FileState) -> dict[str, str]:
    """Return {"major", "minor"}, and cache them; {} for a program that is not OpenSSH."""
    try:
        said = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    match = VERSION.match(said.stderr)
    if match is None:
        return {}
    version = {"major": match[1], "minor": match[2]}
    remember("client", path, {path: state}, version)
    return version
