"""Where a step's file is: apart from what takes steps on plain connections, which brings fabric and paramiko."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from provision.controller.calling import calling_path


def role_file(c: Any, kind: str, name: str) -> Path:
    """A file of the running role; in a fabfile, of the folder that it is in. kind: templates or files."""
    if hasattr(type(c), "role_file"):
        found: Path = c.role_file(kind, name)
        return found
    return calling_path().parent / kind / name
