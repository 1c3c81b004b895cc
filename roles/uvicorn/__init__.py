"""uvicorn: ASGI applications on uvloop, with WebSockets and server-sent events."""

from __future__ import annotations

from pydantic import Field

from provision.role import Host, task
from provision.server import SERVED, Program, Release, ServerParams, serve

SERVES = ("asgi",)
# its WSGI mode is deprecated in favour of a wrapper
PACKAGE = "uvicorn[standard]>=0.34,<1"
DEFAULT_FOR = ("asgi",)


class Uvicorn(ServerParams):
    """Parameters of the role `uvicorn`."""

    max_requests: int = Field(default=0, ge=0)
    """Requests until a process is replaced, against leaks; 0 means never. The number varies by a tenth."""
    concurrency: int | None = Field(default=None, ge=1)
    """Connections of a process above which it answers 503."""
    websocket_max_size: int = Field(default=1_048_576, ge=1)
    """Largest accepted WebSocket message, in bytes."""
    websocket_ping_interval: float = Field(default=20, gt=0)
    """Seconds between pings to WebSocket clients; a client that takes longer to answer is dropped."""


@task
def install(c: Host, p: Uvicorn) -> None:
    """Serve every application of this host that names uvicorn."""
    serve(c)


def program(c: Host, release: Release, p: Uvicorn) -> Program:
    """How uvicorn serves a release on this host."""
    workers = release.app.workers or p.workers or c.facts.cpus
    argv = [
        f"uvicorn --fd 3 --workers {workers}",
        f"--timeout-graceful-shutdown {p.graceful_timeout}",
        *([f"--limit-max-requests {p.max_requests}"] if p.max_requests else []),
        *([f"--limit-max-requests-jitter {p.max_requests // 10}"] if p.max_requests else []),
        *([f"--limit-concurrency {p.concurrency}"] if p.concurrency else []),
        f"--ws-max-size {p.websocket_max_size}",
        f"--ws-ping-interval {p.websocket_ping_interval:g} --ws-ping-timeout {p.websocket_ping_interval:g}",
        # the front logs requests, and behind_front.py reads its headers about clients
        "--no-access-log --no-proxy-headers --no-server-header",
        SERVED,
    ]
    # a single process has no parent to restart it: systemd does, and connections wait in its socket
    return Program(argv, reload_signal="HUP" if workers > 1 else "")
