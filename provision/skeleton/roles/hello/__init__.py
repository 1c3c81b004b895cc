"""A role of this project: it leaves a greeting on the host."""

from __future__ import annotations

from provision.role import Host, Params, task
from provision.steps import files


class Hello(Params):
    """Parameters of the role `hello`."""

    greeting: str = "Hello"
    """The first word of the greeting."""


@task
def install(c: Host, p: Hello) -> None:
    """Write the greeting."""
    files.template(c, "hello.conf.j2", to="/etc/hello.conf", p=p)
