"""Next to nothing: one step, for runs on very many hosts."""

from __future__ import annotations

from provision.role import Host, task
from provision.steps import files


@task
def install(c: Host) -> None:
    """A directory that every host has."""
    files.directory(c, "/etc", mode=0o755)
