"""An instance goes into service: it starts beside the older ones, and once the front has switched to it, the host
records it and the older ones are stopped.

Deploys and rollbacks take this one way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provision.apps.app_model import App
from provision.apps.app_releases import OURS, Release
from provision.apps.code_migrations import schema_of
from provision.serving import workers
from provision.serving.app_parts import part_of
from provision.serving.instances import Instance, health_url, instance, served, unit_name
from provision.serving.recorded import about
from provision.steps import built_releases, files, releases, releases_served, systemd, wait

if TYPE_CHECKING:
    from provision.controller.outcome import Outcome
    from provision.roles.role_host import Host

#: longest wait in seconds, after the front has switched, for requests to the old instance before it is stopped
DRAIN = 30.0


def serve(c: Host) -> None:
    """Serve every application of this host that names the running role as its server."""
    for app in served(c):
        start(c, instance(c, app))


def start(c: Host, instance: Instance) -> None:
    """Start an instance beside the older ones, wait until it is healthy, and stop the older ones at the
    end."""
    with part_of(c, instance.app):
        start_it(c, instance)


def start_it(c: Host, instance: Instance) -> None:
    """Do what `start` says, by steps that are the application's."""
    release, name = instance.release, unit_name(instance.app)
    for file, text in instance.files.items():
        files.file(c, f"{release.path}/{OURS[0]}/{file}", text, mode=0o644)
    files.directory(c, f"{release.home}/instances", mode=0o755)
    settings = [files.watched(c, path) for path in instance.reads]
    for each in instance.all_names:
        # unit files of its own: if the previous instance has to restart, its units are unchanged
        files.link(c, release.instance_link(each), f"../releases/{release.id}")
    started: list[Outcome] = []
    for each in instance.names:
        with part_of(c, instance.app, "unit"):
            service = systemd.unit(c, f"{name}@{each}.service", instance.service)
            socket = systemd.unit(c, f"{name}@{each}.socket", instance.socket)
        systemd.service(c, f"{name}@{each}.socket", restart_on=[socket])
        with part_of(c, instance.app, "start"):
            started.append(systemd.service(c, f"{name}@{each}.service", restart_on=[service, *settings]))
    c.starting[instance.app.name] = (instance, started)
    answers = [
        healthy(c, instance.app, path, f"{name}@{each}.service")
        for each, path in zip(instance.names, instance.listens)
    ]
    if not instance.proved:
        answers += workers.start(c, release, instance.id, instance.workers, settings)

    def stop_others() -> None:
        with part_of(c, instance.app):
            if instance.proved:
                # they have run before: the front need not wait for them
                workers.start(c, release, instance.id, instance.workers, settings)
            stop_older(c, instance)

    c.later(lambda: record(c, instance))
    c.later(stop_others)
    c.on_failure(lambda: withdraw(c, instance, started, answers))


def stop_older(c: Host, instance: Instance) -> None:
    """Stop the older instances, and set up the jobs."""
    app, name = instance.app, unit_name(instance.app)
    keep, draining = instance.names, app.front_role.draining
    # if a front has no title for processes that finish, the instance itself finishes requests as it stops
    systemd.only_instances(c, f"{name}@.service", keep, after=DRAIN if draining else 0, until_gone=draining)
    systemd.only_instances(c, f"{name}@.socket", keep)
    workers.stop_others(c, app, "*", instance.all_names)
    workers.jobs(c, app, instance.jobs)


def record(c: Host, instance: Instance) -> None:
    """Have the host remember that an instance is in service, and what serving it again takes."""
    release, migrations = instance.release, schema_of(instance.release)
    with part_of(c, instance.app):
        releases_served.release_served(
            c,
            release.home,
            instance.id,
            release.id,
            "" if instance.proved else json.dumps(about(instance, migrations), sort_keys=True),
            migrations=migrations,
            again=instance.proved,
            hold=instance.holds,
        )


def withdraw(c: Host, instance: Instance, started: Sequence[Outcome], answers: Sequence[Outcome]) -> None:
    """Stop an instance that this run has started and that does not work: the front does not use it yet, and
    nothing else would stop it before the next successful run."""
    if not any(each.known_change for each in started) or not any(each.error for each in (*started, *answers)):
        return
    name = unit_name(instance.app)
    with part_of(c, instance.app):
        for each in instance.names:
            for kind in ("service", "socket"):
                systemd.service(c, f"{name}@{each}.{kind}", running=False, enabled=False)
        for each in workers.units(instance.app, instance.id, instance.workers):
            systemd.service(c, each, running=False, enabled=False)


def settle(c: Host, release: Release, commit: str = "") -> None:
    """Once the front serves the new release, record that, and remove the oldest releases.

    commit: of its source; by default, the one that the host has noted.
    """
    with part_of(c, release.app, "release"):
        releases.current(c, release.current, f"releases/{release.id}", commit=commit)
    with part_of(c, release.app):
        releases.old_releases(c, release.home, release.id, keep=release.app.keep_releases)


def settle_built(c: Host, release: Release) -> None:
    """Mark a release as built, and remove those that were built before and never served."""
    with part_of(c, release.app):
        c.built[release.app.name] = built_releases.built_release(c, release.home, release.id)
        releases.old_releases(c, release.home, release.id, keep=release.app.keep_releases)


def healthy(c: Host, app: App, socket: str, unit: str) -> Outcome:
    """Ask an instance's own socket for the health path, as the front would."""
    scheme, _, rest = health_url(app).partition("://")
    headers = {"Host": rest.partition("/")[0], "X-Forwarded-Proto": scheme}
    with part_of(c, app, "health"):
        return wait.url(
            c,
            f"http://{rest}",
            socket=socket,
            headers=headers,
            service=unit,
            within=app.start_timeout,
            expect=app.expect,
        )
