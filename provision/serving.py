"""What server roles and fronts share: an instance of an application, its units, sockets and settings (D9).

Every state of an application that is served (release, unit files, settings) is an instance with a name of
its own. It runs as NAME@INSTANCE.service on its own socket beside the one before it, until the front has
switched; so any change is a change of instances, and no request meets a restart.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.apps import App
from provision.releases import Release, release_of, short_hash, visible
from provision.secrets import Secret
from provision.steps import files, systemd, wait

if TYPE_CHECKING:
    from provision.host import Host
    from provision.outcome import Outcome

ENVIRONMENT_FOLDER = "/etc/prov"
#: seconds that requests under way get at most, after the front has switched, before the old instance is stopped
DRAIN = 30.0
#: title of nginx's processes that only finish what they have begun (nginx: "Controlling nginx")
DRAINING = "nginx: worker process is shutting down"


@dataclass(frozen=True)
class Instance:
    """One instance of an application. service, socket: texts of its template units."""

    release: Release
    service: str
    socket: str

    @property
    def app(self) -> App:
        return self.release.app

    @property
    def id(self) -> str:
        """Twelve hex digits: of everything that the instance is made of, but secrets."""
        return short_hash(
            json.dumps([self.release.id, self.service, self.socket, visible(self.release.environment)])
        )

    @property
    def unit(self) -> str:
        """Name of its service unit."""
        return f"{unit_name(self.app)}@{self.id}.service"

    @property
    def listens(self) -> str:
        """Path of its socket, which the front talks to."""
        return f"{socket_folder(self.app)}/{self.id}.sock"


def unit_name(app: App) -> str:
    """What the application's units are called: app-NAME@."""
    return f"app-{app.name}"


def socket_folder(app: App) -> str:
    """Folder of the sockets. Not the service's RuntimeDirectory, which goes when it stops (gunicorn#2053)."""
    return f"/run/app-{app.name}"


def environment_path(app: App) -> str:
    """The file that the unit reads the environment from; root's alone."""
    return f"{ENVIRONMENT_FOLDER}/{app.name}.env"


def environment_file(c: Host, release: Release) -> Outcome:
    """The settings of an application, for its units to read (systemd.exec(5), EnvironmentFile=)."""
    files.directory(c, ENVIRONMENT_FOLDER, mode=0o755)
    values = release.environment
    text = "".join(f"{name}={quoted(value)}\n" for name, value in sorted(values.items()))
    secret = any(isinstance(value, Secret) for value in values.values())
    return files.file(
        c, environment_path(release.app), Secret(text) if secret else text, mode=0o600, owner="root"
    )


def quoted(value: str | Secret) -> str:
    """A value as EnvironmentFile= reads it back: in double quotes, with \\ " $ and ` escaped."""
    text = value.reveal() if isinstance(value, Secret) else value
    for character in ("\\", '"', "`", "$"):
        text = text.replace(character, "\\" + character)
    return f'"{text}"'


def serve(c: Host, instance: Instance) -> None:
    """Start an instance beside the ones before it, wait until it is healthy, and stop those at the end."""
    app, name = instance.app, unit_name(instance.app)
    service = systemd.unit(c, f"{name}@.service", instance.service)
    socket = systemd.unit(c, f"{name}@.socket", instance.socket)
    files.directory(c, f"{instance.release.home}/instances", mode=0o755)
    files.link(c, instance.release.instance_link(instance.id), f"../releases/{instance.release.id}")
    settings = files.watched(c, environment_path(app))
    systemd.service(c, f"{name}@{instance.id}.socket", restart_on=[socket])
    systemd.service(c, instance.unit, restart_on=[service, settings])
    healthy(c, instance)

    def stop_others() -> None:
        systemd.only_instances(c, f"{name}@.service", [instance.id], after=DRAIN, until_gone=DRAINING)
        systemd.only_instances(c, f"{name}@.socket", [instance.id])

    c.later(stop_others)


def healthy(c: Host, instance: Instance) -> None:
    """Ask the instance's own socket for its health path, as the front would."""
    app = instance.app
    domain = app.domains[0].removeprefix("*.")
    headers = {"Host": domain, "X-Forwarded-Proto": "http" if app.tls == "none" else "https"}
    wait.url(
        c, f"http://{domain}{app.health}", socket=instance.listens, headers=headers, service=instance.unit
    )


def upstream(c: Host, app: App) -> str:
    """Path of the socket on which the application's server role serves it on this host."""
    role = importlib.import_module(f"roles.{app.server}")
    instance: Instance = role.instance(c, release_of(app))
    return instance.listens
