"""Logins by Django's users at the front: a separate Apache checks them, as the application's own user.

mod_wsgi's auth scripts run in Apache's own processes, with one Python environment for all of them. So they do
not run in the front's Apache: it would need every application's packages, secrets and database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from provision.apps.app_model import App
from provision.apps.app_releases import OURS, named_in, short_hash, visible
from provision.inventory.fields import encoded
from provision.role import Host
from provision.roles.role_host import role_file
from provision.serving.credential_files import credential_lines, read_by
from provision.serving.front_answers import PARTS
from provision.serving.instances import environment_path, instance
from provision.serving.sites import Site, VirtualHost
from provision.steps import apt, command, files, systemd, wait
from provision.system.writers import HERE
from provision.values import dataclass
from roles.apache import places

SCRIPT, CONFIGURATION, LAUNCHER = "auth_django.py", "auth.conf", "run_apache.py"


@dataclass(frozen=True)
class AuthServer:
    """The Apache that checks the users of one release. files: in `.prov/` of the release.

    service, socket: the texts of its units.  reads: the files of its credentials.
    """

    site: Site
    files: Mapping[str, str]
    service: str
    socket: str
    reads: Sequence[str] = ()

    @property
    def app(self) -> App:
        return self.site.app

    @cached_property
    def id(self) -> str:
        """Return twelve hex digits that identify everything it is made of, except secrets."""
        release = self.site.release
        parts = [release.id, self.service, self.socket, dict(self.files), visible(release.environment)]
        return short_hash(json.dumps(parts))

    @property
    def name(self) -> str:
        """Return the name of its units, before the @."""
        return f"auth-{self.app.name}"

    @property
    def listens(self) -> str:
        """Return the path of its socket, which the front connects to."""
        return f"/run/{self.name}/{self.id}.sock"


def guards(c: Host, hosts: list[VirtualHost]) -> Iterator[AuthServer]:
    """Return the guards of those applications of a front that let in Django's users."""
    for site in (site for host in hosts for site in host.sites):
        if site.app.auth and site.app.auth.by == "django":
            yield guard(c, site)


def guard(c: Host, site: Site) -> AuthServer:
    """Return the guard of one application."""
    release = site.release
    # the unit's %i, and the variable that passes it to Apache
    link = release.instance_link(HERE)
    ours = f"{link}/{OURS[0]}"
    folder = release.inside(link)
    credentials = read_by(release, instance(c, site.app).reads)
    values: dict[str, Any] = {
        "app": site.app,
        "environment_path": environment_path(site.app),
        "credentials": credential_lines(credentials),
        "folder": folder,
        "argv": [f"{link}/.venv/bin/python", f"{ours}/{LAUNCHER}", HERE, f"{ours}/{CONFIGURATION}"],
    }
    text = c.render(
        "auth.conf.j2",
        site=site,
        app=site.app,
        places=[place for place in site.locations if places.guarded(site, place)],
        direct=places.direct,
        member=places.member,
        pool=places.pool,
        target=places.target,
        options=places.options,
        parts=PARTS,
        script=f"{ours}/{SCRIPT}",
        python_path=release.search_path(link),
    )
    launcher = role_file("mod_wsgi", "files", LAUNCHER)
    script = c.role_file("files", SCRIPT)
    return AuthServer(
        site,
        {
            CONFIGURATION: text,
            LAUNCHER: launcher.read_text(encoding="utf-8"),
            SCRIPT: script.read_text(encoding="utf-8"),
        },
        service=c.render("auth.service.j2", role="", **values),
        socket=c.render("auth.socket.j2", role="", **values),
        reads=tuple(credentials.values()),
    )


def start(c: Host, found: AuthServer) -> None:
    """Start a guard beside the previous one, and stop the previous one once the front has switched."""
    release, app = found.site.release, found.app
    if "mod-wsgi" not in named_in(release.requirements):
        apt.packages(c, "libapache2-mod-wsgi-py3")
    ours = f"{release.path}/{OURS[0]}"
    for name, text in found.files.items():
        files.file(c, f"{ours}/{name}", text, mode=0o644)
    # a broken one shows its own traceback, before anything is started
    command.command(
        c,
        [f"{release.path}/.venv/bin/python", f"{ours}/{SCRIPT}"],
        stamp=(f"{ours}/auth-loads", found.id),
        user=app.user,
        cwd=release.root,
        environment={**release.environment, "PYTHONPATH": release.search_path(release.path)},
        credentials=release.credentials,
    )
    files.link(c, release.instance_link(found.id), f"../releases/{release.id}")
    settings = [files.watched(c, path) for path in (environment_path(app), *found.reads)]
    service = systemd.unit(c, f"{found.name}@{found.id}.service", found.service)
    socket = systemd.unit(c, f"{found.name}@{found.id}.socket", found.socket)
    systemd.service(c, f"{found.name}@{found.id}.socket", restart_on=[socket])
    systemd.service(c, f"{found.name}@{found.id}.service", restart_on=[service, *settings])
    place = next(p for p in found.site.locations if places.guarded(found.site, p))
    wait.url(
        c,
        f"http://{found.site.server_name}{encoded(place.path)}",
        socket=found.listens,
        expect=[401],
        service=f"{found.name}@{found.id}.service",
    )

    def stop_others() -> None:
        systemd.only_instances(c, f"{found.name}@.service", [found.id])
        systemd.only_instances(c, f"{found.name}@.socket", [found.id])

    c.later(stop_others)
