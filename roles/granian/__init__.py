"""granian: ASGI and WSGI applications on an HTTP server written in Rust."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from provision.role import Host, task
from provision.server import SERVED, Program, Release, ServerParams, serve, shipped

SERVES = ("asgi", "wsgi")
# its launcher depends on internals of this version
PACKAGE = "granian>=2.8,<2.9"
LAUNCHER = Path(__file__).parent / "files" / "granian_on_systemd.py"


class Granian(ServerParams):
    """Parameters of the role `granian`."""

    threads: int = Field(default=4, ge=1)
    """Threads of a process that run WSGI applications."""
    max_rss: int | None = Field(default=None, ge=1)
    """Megabytes of memory above which a process is replaced, against leaks."""


@task
def install(c: Host, p: Granian) -> None:
    """Serve every application of this host that names granian."""
    serve(c)


def program(c: Host, release: Release, p: Granian) -> Program:
    """How granian serves a release on this host."""
    app = release.app
    argv = [
        # it gets systemd's socket in place of this one, which it looks for when it ends
        f"python {shipped(release, LAUNCHER.name)} --uds /nonexistent/granian",
        f"--interface {app.interface} --workers {app.workers or p.workers or c.facts.cpus} --backlog 2048",
        *([f"--blocking-threads {p.threads}"] if app.interface == "wsgi" else []),
        *([f"--workers-max-rss {p.max_rss}"] if p.max_rss else []),
        f"--workers-kill-timeout {p.graceful_timeout} --respawn-failed-workers --no-access-log",
        SERVED,
    ]
    files = {LAUNCHER.name: LAUNCHER.read_text(encoding="utf-8")}
    return Program(argv, reload_signal="HUP", files=files)
