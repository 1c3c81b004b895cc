"""mod_wsgi: WSGI applications in daemon processes of an Apache of their own, one for each instance.

Not in the front's Apache: each of its reloads would end the processes of all applications (docs/apache.md).
"""

from __future__ import annotations

from pydantic import Field

from provision.apps.app_releases import OURS, named_in
from provision.role import Host, task
from provision.server import SHIM, Program, Release, ServerParams, serve, served
from provision.steps import apt
from provision.system.writers import HERE

SERVES = ("wsgi",)
# the distribution's module, which `install` installs
PACKAGE = None
CONFIGURATION = "mod_wsgi.conf"
LAUNCHER = "run_apache.py"


class ModWsgi(ServerParams):
    """Parameters of the role `mod_wsgi`."""

    threads: int = Field(default=4, ge=1)
    """Threads of a daemon process."""
    max_requests: int = Field(default=10_000, ge=0)
    """Requests after which a daemon process is replaced, against leaks; 0 means never."""


@task
def install(c: Host, p: ModWsgi) -> None:
    """Serve every application of this host that names mod_wsgi."""
    for release in (app.release for app in served(c)):
        # a module from the application's requirements was built for the application's own Python
        own = "mod-wsgi" in named_in(release.requirements)
        apt.packages(c, ["apache2-bin", *([] if own else ["libapache2-mod-wsgi-py3"])])
    serve(c)


def program(c: Host, release: Release, p: ModWsgi) -> Program:
    """How mod_wsgi serves a release on this host."""
    app = release.app
    # the unit's %i, and the variable that passes it to Apache
    link = release.instance_link(HERE)
    ours, folder = f"{link}/{OURS[0]}", release.inside(link)
    own = release.environment.get("PYTHONPATH")
    configuration = c.render(
        "apache.conf.j2",
        app=app,
        p=p,
        workers=app.workers or p.workers or c.facts.cpus + 1,
        script=f"{ours}/{SHIM}.py",
        folder=folder,
        python_path=":".join(map(str, filter(None, [ours, folder, own]))),
    )
    launcher = c.role_file("files", LAUNCHER).read_text(encoding="utf-8")
    return Program(
        ["python", f"{ours}/{LAUNCHER}", HERE, f"{ours}/{CONFIGURATION}"],
        notifies=True,
        environment={"PROV_INSTANCE": HERE},
        files={LAUNCHER: launcher, CONFIGURATION: configuration},
        # each connection is doubled by its relay
        keeps_connections=True,
    )
