"""hypercorn: ASGI applications, and WSGI applications in threads."""

from __future__ import annotations

from pydantic import Field

from provision.apps.app_model import App
from provision.apps.app_releases import short_hash
from provision.role import Host, task
from provision.server import SERVED, Program, Release, ServerParams, serve, shipped

SERVES = ("asgi", "wsgi")
PACKAGE = "hypercorn>=0.17.3,<1"
OBJECTS = ("app",)
UNITS = {"k": 1024, "m": 1024**2, "g": 1024**3}


class Hypercorn(ServerParams):
    """Parameters of the role `hypercorn`."""

    max_requests: int = Field(default=0, ge=0)
    """Requests until a process is replaced, against leaks; 0 means never. The number varies by a tenth."""
    keep_alive: float = Field(default=5, gt=0)
    """Seconds that an idle connection from the front stays open."""
    websocket_max_size: int = Field(default=1_048_576, ge=1)
    """Largest accepted WebSocket message, in bytes."""
    websocket_ping_interval: float = Field(default=20, gt=0)
    """Seconds between pings to WebSocket clients."""


@task
def install(c: Host, p: Hypercorn) -> None:
    """Serve every application of this host that names hypercorn."""
    serve(c)


def program(c: Host, release: Release, p: Hypercorn) -> Program:
    """How hypercorn serves a release on this host."""
    app = release.app
    config = c.render("hypercorn.toml.j2", p=p, app=app, max_body=in_bytes(app))
    # named by a hash of its contents, as an earlier instance may still run on the same release
    name = f"hypercorn-{short_hash(config)}.toml"
    served = f"wsgi:{SERVED}" if app.interface == "wsgi" else SERVED
    workers = app.workers or p.workers or c.facts.cpus
    argv = [f"hypercorn --config {shipped(release, name)} --workers {workers}", served]
    return Program(argv, files={name: config})


def in_bytes(app: App) -> int:
    """Return the application's largest request body in bytes."""
    text = app.max_body
    return int(text.rstrip("kmg")) * UNITS.get(text[-1], 1)
