"""daphne: ASGI applications on Twisted; the reference server of Django Channels."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from provision.role import Host, task
from provision.server import SERVED, Program, Release, ServerParams, serve, shipped

SERVES = ("asgi",)
PACKAGE = "daphne>=4.1.2,<5"
LAUNCHER = Path(__file__).parent / "files" / "daphne_on_systemd.py"


class Daphne(ServerParams):
    """Parameters of the role `daphne`."""

    websocket_max_size: int = Field(default=1_048_576, ge=1)
    """Bytes of the largest WebSocket message that is accepted."""
    websocket_ping_interval: int = Field(default=20, ge=1)
    """Seconds between pings to WebSocket clients; a client is dropped after 1.5 times as long."""


@task
def install(c: Host, p: Daphne) -> None:
    """Serve every application of this host that names daphne."""
    serve(c)


def program(c: Host, release: Release, p: Daphne) -> Program:
    """How daphne serves a release on this host: a single process each, on a socket of its own."""
    app = release.app
    argv = [
        f"python {shipped(release, LAUNCHER.name)} --endpoint systemd:domain=UNIX:index=0",
        # it cuts off answers that take longer, also streams
        *([] if app.streams else [f"--http-timeout {app.timeout}"]),
        f"--application-close-timeout {p.graceful_timeout}",
        f"--websocket-max-message-size {p.websocket_max_size}",
        f"--ping-interval {p.websocket_ping_interval} --ping-timeout {p.websocket_ping_interval * 3 // 2}",
        # the front logs requests
        "--verbosity 0 --no-server-name",
        SERVED,
    ]
    processes = app.workers or p.workers or c.facts.cpus
    files = {LAUNCHER.name: LAUNCHER.read_text(encoding="utf-8")}
    return Program(argv, files=files, processes=processes)
