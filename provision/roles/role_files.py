"""Find a step's file. A module of its own, because plain_fabric.py imports fabric and paramiko."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from provision.controller.calling import calling_path


def role_file(c: Any, kind: str, name: str) -> Path:
    """Return the path of a file of the running role; in a fabfile, of the fabfile's folder. kind: templates
    or files."""
    if hasattr(type(c), "role_file"):
        found: Path = c.role_file(kind, name)
        return found
    return calling_path().parent / kind / name
