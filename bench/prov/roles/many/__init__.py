"""As many steps as asked for: half of them directories, half files."""

from __future__ import annotations

from provision.role import Host, Params, task
from provision.steps import files


class Many(Params):
    """Parameters of the role `many`."""

    count: int
    """Number of steps."""


@task
def install(c: Host, p: Many) -> None:
    """A directory and a file in it, again and again."""
    for number in range(p.count // 2):
        folder = f"/srv/many-{p.count}-{number}"
        files.directory(c, folder, mode=0o755)
        files.file(c, f"{folder}/number", f"{number}\n" * 50, mode=0o644)
