"""gunicorn: WSGI applications in processes with threads, ASGI applications by its own event loop workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from provision.apps.app_model import App
from provision.apps.app_releases import short_hash
from provision.role import Host, task
from provision.server import SERVED, Program, Release, ServerParams, serve, shipped
from provision.system.writers import HERE

SERVES = ("wsgi", "asgi")
PACKAGE = "gunicorn>=25.1,<28"
DEFAULT_FOR = ("wsgi",)


class Gunicorn(ServerParams):
    """Parameters of the role `gunicorn`."""

    worker_class: Literal["sync", "gthread", "asgi"] | None = None
    """How a worker takes requests: one at a time, in threads, or by an event loop. Default: gthread for WSGI, asgi for
    ASGI; nothing else speaks that."""
    threads: int = Field(default=4, ge=1)
    """Threads of a gthread worker."""
    max_requests: int = Field(default=100_000, ge=0)
    """Requests after which a worker is replaced, against leaks; 0 for never. A tenth of it is jitter."""
    websocket_max_size: int = Field(default=1_048_576, ge=1)
    """Bytes of the largest WebSocket message that is accepted (ASGI)."""

    def misfits(self, apps: Sequence[App]) -> Iterator[tuple[str, str]]:
        for app in apps:
            if (self.worker(app) == "asgi") != (app.interface == "asgi"):
                message = f"{self.worker(app)!r} does not serve {app.name!r}, which speaks {app.interface}"
                yield "worker_class", f"{message}; left out, each gets a worker that does"

    def worker(self, app: App) -> str:
        """The worker class for an application."""
        return self.worker_class or ("asgi" if app.interface == "asgi" else "gthread")


@task
def install(c: Host, p: Gunicorn) -> None:
    """Serve every application of this host that names gunicorn."""
    serve(c)


def program(c: Host, release: Release, p: Gunicorn) -> Program:
    """How gunicorn serves a release on this host."""
    app = release.app
    kind = p.worker(app)
    # a process per processor, and one more for when one waits; sync ones do nothing else while they wait
    default = {"sync": 2 * c.facts.cpus + 1, "gthread": c.facts.cpus + 1, "asgi": c.facts.cpus}[kind]
    # called after what is in it, as an instance before this one may still run on the same release
    config = c.role_file("files", "gunicorn_prov.py").read_text(encoding="utf-8")
    name = f"gunicorn-{short_hash(config)}.py"
    argv = [
        f"gunicorn --config {shipped(release, name)}",
        f"--workers {app.workers or p.workers or default} --worker-class {kind}",
        *([f"--threads {p.threads}"] if kind == "gthread" else []),
        *([f"--websocket-max-message-size {p.websocket_max_size}"] if kind == "asgi" else []),
        # of a request for sync, of a worker that gives no sign of life for the others
        f"--timeout {app.timeout} --graceful-timeout {p.graceful_timeout}",
        f"--max-requests {p.max_requests} --max-requests-jitter {p.max_requests // 10}",
        # the file that workers touch as a sign of life: never on a disk, which may stall
        "--worker-tmp-dir /dev/shm --error-logfile -",
        SERVED,
    ]
    # its control socket goes there (gunicorn 25.1 and later), each instance's its own
    environment = {"XDG_RUNTIME_DIR": f"/run/app-{app.name}-{HERE}"}
    return Program(argv, notifies=True, reload_signal="HUP", environment=environment, files={name: config})
