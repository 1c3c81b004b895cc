"""uvicorn: ASGI applications on uvloop, with WebSockets and server-sent events."""

from __future__ import annotations

from pydantic import Field

from provision.apps.releases import Release
from provision.role import Host, task
from provision.serving.instances import SERVED, Instance, Program, ServerParams, instance_of, serve

AFTER = ("app",)
REQUIRES = ("app",)


class Uvicorn(ServerParams):
    """Parameters of the role `uvicorn`."""

    max_requests: int = Field(default=0, ge=0)
    """Requests after which a process is replaced, against leaks; 0 for never. A tenth of it is jitter."""
    concurrency: int | None = Field(default=None, ge=1)
    """Connections of a process above which it answers 503."""
    websocket_max_size: int = Field(default=1_048_576, ge=1)
    """Bytes of the largest WebSocket message that is accepted."""
    websocket_ping_interval: float = Field(default=20, gt=0)
    """Seconds between pings to WebSocket clients; one that does not answer as long is gone."""


@task
def install(c: Host, p: Uvicorn) -> None:
    """Serve every application of this host that names uvicorn."""
    for app in c.apps:
        if app.server == "uvicorn":
            serve(c, instance(c, app.release))


def instance(c: Host, release: Release) -> Instance:
    """The instance in which uvicorn serves a release on this host."""
    p = c.params(Uvicorn)
    workers = release.app.workers or p.workers or c.facts.cpus
    argv = [
        f"uvicorn --fd 3 --workers {workers}",
        f"--timeout-graceful-shutdown {p.graceful_timeout}",
        *([f"--limit-max-requests {p.max_requests}"] if p.max_requests else []),
        *([f"--limit-max-requests-jitter {p.max_requests // 10}"] if p.max_requests else []),
        *([f"--limit-concurrency {p.concurrency}"] if p.concurrency else []),
        f"--ws-max-size {p.websocket_max_size}",
        f"--ws-ping-interval {p.websocket_ping_interval:g} --ws-ping-timeout {p.websocket_ping_interval:g}",
        # the front logs requests, and what it says of clients is read in behind_front.py
        "--no-access-log --no-proxy-headers --no-server-header",
        SERVED,
    ]
    # a single process has no parent that could start it anew: it is restarted, and its socket waits meanwhile
    return instance_of(c, release, Program(argv, reload_signal="HUP" if workers > 1 else ""), p)
