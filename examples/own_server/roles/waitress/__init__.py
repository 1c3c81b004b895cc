"""waitress: WSGI applications in threads, by a server written in Python alone."""

from __future__ import annotations

from pydantic import Field

from provision.role import Host, task
from provision.server import Program, Release, ServerParams, serve, shipped

SERVES = ("wsgi",)
PACKAGE = "waitress>=3,<4"
LAUNCHER = "waitress_on_systemd.py"


class Waitress(ServerParams):
    """Parameters of the role `waitress`."""

    threads: int = Field(default=4, ge=1)
    """Threads of a process."""


def program(c: Host, release: Release, p: Waitress) -> Program:
    """How waitress serves a release: it has no workers, so an instance is several processes with a socket each."""
    return Program(
        [f"python {shipped(release, LAUNCHER)} {p.threads}"],
        files={LAUNCHER: c.role_file("files", LAUNCHER).read_text(encoding="utf-8")},
        stop_signal="INT",
        processes=release.app.workers or p.workers or c.facts.cpus,
    )


@task
def install(c: Host, p: Waitress) -> None:
    """Serve every application of this host that names waitress."""
    serve(c)
