"""One large file of the controller on the host."""

from __future__ import annotations

from provision.role import Host, Params, task
from provision.steps import files


class Copy(Params):
    """Parameters of the role `copy`."""

    source: str
    """The local file."""
    path: str
    """The file on the host."""


@task
def install(c: Host, p: Copy) -> None:
    """One step."""
    files.copy(c, p.source, to=p.path, mode=0o644)
