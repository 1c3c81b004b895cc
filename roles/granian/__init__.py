"""granian: ASGI and WSGI applications on an HTTP server written in Rust."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from provision.apps.releases import Release
from provision.role import Host, task
from provision.serving.instances import SERVED, Instance, Program, ServerParams, instance_of, serve
from provision.system.writers import HERE

AFTER = ("app",)
REQUIRES = ("app",)
LAUNCHER = Path(__file__).parent / "files" / "granian_on_systemd.py"


class Granian(ServerParams):
    """Parameters of the role `granian`."""

    threads: int = Field(default=4, ge=1)
    """Threads of a process in which WSGI applications run."""
    max_rss: int | None = Field(default=None, ge=1)
    """Megabytes above which a process is replaced, against leaks."""


@task
def install(c: Host, p: Granian) -> None:
    """Serve every application of this host that names granian."""
    for app in c.apps:
        if app.server == "granian":
            serve(c, instance(c, app.release))


def instance(c: Host, release: Release) -> Instance:
    """The instance in which granian serves a release on this host."""
    p = c.params(Granian)
    app = release.app
    argv = [
        # it is given systemd's socket in the place of this one, which it looks for when it ends
        f"python {release.instance_link(HERE)}/.prov/{LAUNCHER.name} --uds /nonexistent/granian",
        f"--interface {app.interface} --workers {app.workers or p.workers or c.facts.cpus} --backlog 2048",
        *([f"--blocking-threads {p.threads}"] if app.interface == "wsgi" else []),
        *([f"--workers-max-rss {p.max_rss}"] if p.max_rss else []),
        f"--workers-kill-timeout {p.graceful_timeout} --respawn-failed-workers --no-access-log",
        SERVED,
    ]
    files = {LAUNCHER.name: LAUNCHER.read_text(encoding="utf-8")}
    return instance_of(c, release, Program(argv, reload_signal="HUP", files=files), p)
