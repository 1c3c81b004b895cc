"""uWSGI: WSGI applications under a master process with strict limits on requests and workers.

systemd plays the part of the emperor, and each instance is a vassal: docs/servers.md says why.
"""

from __future__ import annotations

from pydantic import Field

from provision.role import Host, task
from provision.server import SERVED, Program, Release, ServerParams, serve

SERVES = ("wsgi",)
# uWSGI built as a wheel, so that a host needs no compiler; its own package on PyPI is source only
PACKAGE = "pyuwsgi>=2.0.28,<2.1"
ALIASES = ("uwsgi",)
MODULE_OPTIONS = ("-w", "--module", "--wsgi")
FILE_OPTIONS = ("--wsgi-file", "--file")


class Uwsgi(ServerParams):
    """Parameters of the role `uwsgi`."""

    threads: int = Field(default=4, ge=1)
    """Threads of a worker."""
    max_requests: int = Field(default=100_000, ge=0)
    """Requests until a worker is replaced, against leaks; 0 means never. The number varies by a tenth."""
    buffer_size: int = Field(default=16384, ge=4096, le=65535)
    """Largest size of a request's headers in bytes; cookies and long URLs can exceed 4096, its default."""


@task
def install(c: Host, p: Uwsgi) -> None:
    """Serve every application of this host that names uwsgi."""
    serve(c)


def program(c: Host, release: Release, p: Uwsgi) -> Program:
    """How uWSGI serves a release on this host."""
    app = release.app
    workers = app.workers or p.workers or c.facts.cpus + 1
    argv = [
        # Source: uWSGI documentation, "Things to know" and "Systemd"; no socket option: it takes systemd's,
        # and speaks HTTP
        f"uwsgi --strict --master --need-app --protocol http --module {SERVED}",
        f"--processes {workers} --threads {p.threads} --enable-threads --single-interpreter --lazy-apps",
        # a worker is killed if its request takes longer; if answers are streams, they may take long
        *([] if app.streams else [f"--harakiri {app.timeout}"]),
        f"--socket-timeout {app.timeout} --worker-reload-mercy {p.graceful_timeout}",
        *([f"--max-requests {p.max_requests}"] if p.max_requests else []),
        *([f"--max-requests-delta {p.max_requests // 10}"] if p.max_requests else []),
        f"--buffer-size {p.buffer_size} --listen 2048 --die-on-term",
        "--disable-logging --log-5xx --auto-procname --thunder-lock",
    ]
    # HUP: workers finish their requests and reload the code, and the socket stays
    return Program(argv, notifies=True, reload_signal="HUP", stop_signal="HUP")
