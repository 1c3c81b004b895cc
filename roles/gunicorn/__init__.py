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
    """How a worker handles requests: one at a time, in threads, or by an event loop. Default: gthread for
    WSGI, asgi for ASGI, which no other worker speaks."""
    threads: int = Field(default=4, ge=1)
    """Threads of a gthread worker."""
    max_requests: int = Field(default=100_000, ge=0)
    """Requests until a worker is replaced, against leaks; 0 means never. The number varies by a tenth."""
    websocket_max_size: int = Field(default=1_048_576, ge=1)
    """Largest accepted WebSocket message, in bytes (ASGI)."""

    def misfits(self, apps: Sequence[App]) -> Iterator[tuple[str, str]]:
        for app in apps:
            if (self.worker(app) == "asgi") != (app.interface == "asgi"):
                message = f"{self.worker(app)!r} does not serve {app.name!r}, which speaks {app.interface}"
                yield "worker_class", f"{message}; left out, each gets a worker that does"

    def worker(self, app: App) -> str:
        """Return the worker class for an application."""
        return self.worker_class or ("asgi" if app.interface == "asgi" else "gthread")


@task
def install(c: Host, p: Gunicorn) -> None:
    """Serve every application of this host that names gunicorn."""
    serve(c)


def program(c: Host, release: Release, p: Gunicorn) -> Program:
    """How gunicorn serves a release on this host."""
    app = release.app
    kind = p.worker(app)
    # a process per processor, plus one for when one waits; sync workers do nothing else while they wait
    default = {"sync": 2 * c.facts.cpus + 1, "gthread": c.facts.cpus + 1, "asgi": c.facts.cpus}[kind]
    # named by a hash of its contents, as an earlier instance may still run on the same release
    config = c.role_file("files", "gunicorn_prov.py").read_text(encoding="utf-8")
    name = f"gunicorn-{short_hash(config)}.py"
    argv = [
        f"gunicorn --config {shipped(release, name)}",
        f"--workers {app.workers or p.workers or default} --worker-class {kind}",
        *([f"--threads {p.threads}"] if kind == "gthread" else []),
        *([f"--websocket-max-message-size {p.websocket_max_size}"] if kind == "asgi" else []),
        # applies to a sync request; for other workers, to a worker without a sign of life
        f"--timeout {app.timeout} --graceful-timeout {p.graceful_timeout}",
        f"--max-requests {p.max_requests} --max-requests-jitter {p.max_requests // 10}",
        # the file that workers touch as a sign of life: never on a disk, which may stall
        "--worker-tmp-dir /dev/shm --error-logfile -",
        SERVED,
    ]
    # for the control socket (gunicorn 25.1 and later), one for each instance
    environment = {"XDG_RUNTIME_DIR": f"/run/app-{app.name}-{HERE}"}
    return Program(argv, notifies=True, reload_signal="HUP", environment=environment, files={name: config})
