"""Python with virtual environments, from the distribution."""

from __future__ import annotations

from provision.role import Host, Params, task
from provision.steps import apt


class Python(Params):
    """Parameters of the role `python`."""

    packages: tuple[str, ...] = ()
    """Further packages, such as the headers that C extensions are compiled against (libpq-dev, gcc, python3-dev)."""


@task
def install(c: Host, p: Python) -> None:
    """Install Python, venv and what pip needs to speak TLS."""
    apt.packages(c, ["python3", "python3-venv", "ca-certificates", *p.packages])
