"""gunicorn: WSGI applications behind a front, each instance in a hardened unit on its own socket."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from provision.releases import Release, release_of
from provision.role import Host, Params, task
from provision.serving import Instance, environment_path, serve, socket_folder

AFTER = ("app",)
REQUIRES = ("app",)


class Gunicorn(Params):
    """Parameters of the role `gunicorn`."""

    workers: int | None = Field(default=None, ge=1)
    """Processes per application; an application's own `workers` comes first. Default: 2 x cpus + 1, or cpus + 1 with
    threads."""
    worker_class: Literal["sync", "gthread"] = "gthread"
    """How a worker takes requests: one at a time, or in threads."""
    threads: int = Field(default=4, ge=1)
    """Threads of a gthread worker."""
    max_requests: int = Field(default=10_000, ge=0)
    """Requests after which a worker is replaced, against leaks; 0 for never. A tenth of it is jitter."""
    graceful_timeout: int = Field(default=30, ge=1)
    """Seconds that running requests get when a worker is stopped."""
    memory_max: str = "80%"
    """Memory limit of an instance (systemd's MemoryMax=)."""
    private_users: bool = True
    """Run in a user namespace of its own (PrivateUsers=)."""
    deny_write_execute: bool = False
    """Forbid memory that is writable and executable; breaks some cffi and JIT packages (MemoryDenyWriteExecute=)."""


@task
def install(c: Host, p: Gunicorn) -> None:
    """Serve every application of this host that names gunicorn."""
    for app in c.apps:
        if app.server == "gunicorn":
            serve(c, instance(c, release_of(app)))


def instance(c: Host, release: Release) -> Instance:
    """The instance in which gunicorn serves a release on this host."""
    p = c.params(Gunicorn)
    app = release.app
    threads = p.threads if p.worker_class == "gthread" else 1
    default = c.facts.cpus + 1 if threads > 1 else 2 * c.facts.cpus + 1
    values = {
        "app": app,
        "link": release.instance_link("%i"),
        "folder": release.inside(release.instance_link("%i")),
        "p": p,
        "workers": app.workers or p.workers or default,
        "threads": threads,
        "environment_path": environment_path(app),
        "socket_folder": socket_folder(app),
    }
    return Instance(
        release,
        service=c.render("service.j2", role="gunicorn", **values),
        socket=c.render("socket.j2", role="gunicorn", **values),
    )
