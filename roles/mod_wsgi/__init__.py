"""mod_wsgi: WSGI applications in daemon processes of an Apache of their own, one for each instance.

Not in the front's Apache: that would end all applications' processes at each of its reloads (docs/apache.md).
"""

from __future__ import annotations

from pydantic import Field

from provision.apps.releases import OURS, Release, named_in
from provision.role import Host, task
from provision.serving.instances import SHIM, Instance, Program, ServerParams, instance_of, serve
from provision.steps import apt
from provision.system.writers import HERE

AFTER = ("app",)
REQUIRES = ("app",)
CONFIGURATION = "mod_wsgi.conf"
LAUNCHER = "run_apache.py"


class ModWsgi(ServerParams):
    """Parameters of the role `mod_wsgi`."""

    threads: int = Field(default=4, ge=1)
    """Threads of a daemon process."""
    max_requests: int = Field(default=10_000, ge=0)
    """Requests after which a daemon process is replaced, against leaks; 0 for never."""


@task
def install(c: Host, p: ModWsgi) -> None:
    """Serve every application of this host that names mod_wsgi."""
    for app in c.apps:
        if app.server == "mod_wsgi":
            release = app.release
            # one that the application lists itself was built for its own Python
            own = "mod-wsgi" in named_in(release.requirements)
            apt.packages(c, ["apache2-bin", *([] if own else ["libapache2-mod-wsgi-py3"])])
            serve(c, instance(c, release))


def instance(c: Host, release: Release) -> Instance:
    """The instance in which mod_wsgi serves a release on this host."""
    p = c.params(ModWsgi)
    app = release.app
    # the unit's %i, and what its Apache has of that in a variable
    link = release.instance_link(HERE)
    ours, folder = f"{link}/{OURS[0]}", release.inside(link)
    own = release.environment.get("PYTHONPATH")
    configuration = c.render(
        "apache.conf.j2",
        role="mod_wsgi",
        app=app,
        p=p,
        workers=app.workers or p.workers or c.facts.cpus + 1,
        script=f"{ours}/{SHIM}.py",
        folder=folder,
        python_path=":".join(map(str, filter(None, [ours, folder, own]))),
    )
    from provision.roles.host import role_folder

    launcher = (role_folder("mod_wsgi") / "files" / LAUNCHER).read_text(encoding="utf-8")
    program = Program(
        ["python", f"{ours}/{LAUNCHER}", HERE, f"{ours}/{CONFIGURATION}"],
        notifies=True,
        environment={"PROV_INSTANCE": HERE},
        files={LAUNCHER: launcher, CONFIGURATION: configuration},
    )
    return instance_of(c, release, program, p)
