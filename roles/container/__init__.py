"""container: the image of a release under podman, with gunicorn in it, on the same socket as other servers.

The application sets `image`, which names the base image. Its processes and jobs run in the same image. Commands of
`release`, migrations and `prov manage` run on the host, in the release's own environment.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import cast

from provision.apps.app_releases import short_hash, visible
from provision.apps.application import Application
from provision.apps.bindings import Binding
from provision.apps.tls import TLS_FOLDER
from provision.builtin import gunicorn
from provision.errors import ConfigError, ProvError
from provision.oci.app_image import PLACE
from provision.oci.base_contents import MACHINES
from provision.oci.host_image import HostImage, host_image
from provision.role import Host, task
from provision.roles.role_host import role_file
from provision.server import Program, Release, serve, served
from provision.serving.instances import program_for
from provision.steps import apt, containers, tree
from provision.system.writers import HERE

EXTENDS = gunicorn
LAUNCHER = "run_container.py"
PODMAN = containers.PODMAN
#: variables that the dynamic linker, systemd and podman itself read: podman passes the application's on from its own
PODMANS_OWN = re.compile(
    r"LD_\w+|LISTEN_(FDS|PID|FDNAMES)|NOTIFY_SOCKET|GO(DEBUG|GC|TRACEBACK|MAXPROCS)|STORAGE_(DRIVER|OPTS)"
    r"|_?CONTAINERS?_\w+|_?PODMAN_\w+|REGISTRY_AUTH_FILE"
)


class Container(gunicorn.Gunicorn):
    """Parameters of the role `container`. `private_users` and `deny_write_execute` do not apply."""

    def unmet(self, host: Host) -> Iterator[ConfigError]:
        for app in host.apps:
            if app.server == "container" and app.name not in host.recorded:
                found = list(misfits_of(host, app.release))
                yield from found or missing_image(host, app)


@task
def install(c: Host, p: Container) -> None:
    """Serve every application of this host that names container, from its image."""
    apps = served(c)
    if apps:
        # crun runs without control groups of its own: those of the unit limit the container
        apt.packages(c, ["podman", "crun", "catatonit"])
    for app in apps:
        release, image = app.release, image_for(c, app)
        layout = f"{release.home}/image"
        tree.tree(c, layout, image.entries, folder_mode=0o755)
        containers.image(c, image.name, image.id, layout)
    serve(c)
    for app in apps:
        # once the older releases are gone, and what ran from their images
        c.later(lambda a=app: forget_images(c, a))  # type: ignore[misc]


def forget_images(c: Host, app: Application) -> None:
    """Remove the images of removed releases."""
    containers.old_images(c, f"app-{app.name}", f"{app.release.home}/releases")


def image_for(c: Host, app: Application) -> HostImage:
    """Return the image that serves an application."""
    return cast(HostImage, program_for(c, app).about["image"])


def misfits_of(c: Host, release: Release) -> Iterator[ConfigError]:
    """Yield what keeps a release from being served from an image on a host."""
    app, facts = release.app, c.facts
    if facts.family != "debian":
        message = f"containers need podman, which {facts.distribution} has no package of"
        yield c.inventory.error(("apps", app.name, "server"), message, "Choose another server.")
    for each in release.bindings:
        if each.way == "socket" and socket_folder(each) is None:
            message = (
                f"a container can't reach {each.key!r} by a socket: {each.role!r} has no `socket_folder`"
            )
            yield c.inventory.error(each.said(), message, "Set `auth: password`.")
    for name in sorted({**app.environment, **app.secrets}):
        if PODMANS_OWN.fullmatch(name):
            path = ("apps", app.name, "secrets" if name in app.secrets else "environment", name)
            message = f"{name} would change podman itself, which passes variables on to the container"
            yield c.inventory.error(path, message, "Set it in the base image, or leave it out.")
    if app.image is not None and MACHINES[app.image.architecture] != facts.architecture:
        message = f"the image is for {app.image.architecture}, and {c.name} is {facts.architecture}"
        hint = "Name a base image for it, and its `architecture`."
        yield c.inventory.error(("apps", app.name, "image"), message, hint)


def missing_image(c: Host, app: Application) -> Iterator[ConfigError]:
    """Yield why an image can't be made: a base that can't be read, packages without wheels."""
    try:
        image_for(c, app)
    except ConfigError as error:
        yield error
    except ProvError as error:
        yield c.inventory.error(("apps", app.name, "image"), error.message, error.hint)


def program(c: Host, release: Release, p: Container) -> Program:
    """How the image of a release is run: gunicorn in it takes the socket that systemd passes to podman."""
    for error in misfits_of(c, release):
        raise error
    inner = gunicorn.program(c, release, p)
    image = host_image(c.inventory, release, inner, role_file("app", "files", "on_port.py"))
    launcher = c.role_file("files", LAUNCHER).read_text(encoding="utf-8")
    # named by its contents, as an earlier instance may still run on the same release
    name = f"run-container-{short_hash(launcher)}.py"
    container = f"app-{release.app.name}-{HERE}"
    return Program(
        ["python"],
        reload_signal=inner.reload_signal,
        stop_signal=inner.stop_signal,
        files={name: launcher},
        units={"service": "container.j2", "process": "container_process.j2", "job": "container_job.j2"},
        about={
            "image": image,
            "podman": PODMAN,
            "container": container,
            "here": HERE,
            "run": [
                *("/usr/bin/python3", "-I", f"{release.path}/.prov/{name}", release.app.user),
                *options(release),
            ],
        },
        inside=inner,
    )


def options(release: Release) -> list[str]:
    """Return the options of podman-run(1) that make the sandbox."""
    return [
        "--rm",
        "--pull=never",
        # what it prints goes to the unit's journal
        "--log-driver=none",
        # crun can leave it in the unit's control group
        "--cgroups=disabled",
        # as for other servers: it reaches databases, and listens on its socket alone
        "--network=host",
        "--read-only",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        # prov asks for the health path itself
        "--no-healthcheck",
        # those of the unit: podman may not be allowed to raise them
        "--ulimit=host",
        *(f"--volume={volume}" for volume in volumes(release)),
        # without a value, so that it is in no command line
        *(f"--env={name}" for name in sorted(release.environment) if name != "PYTHONPATH"),
        *([f"--env=CREDENTIALS_DIRECTORY={release.credentials_folder}"] if release.credentials else []),
    ]


def volumes(release: Release) -> list[str]:
    """Return what a container sees of its host: the data folder, what a release gets on the host, and sockets."""
    app, inside = release.app, release.inside(PLACE)
    writable = [release.data, *app.sandbox.writable_paths]
    # made on the host: files from templates, and what collectstatic has collected, with its manifest
    made = [*app.files, *(app.collected if app.collects_static else ())]
    # where variables with {release} name them
    named = app.files if any(release.root in v for v in visible(release.own_variables).values()) else ()
    # systemd would hand credentials to podman's user: root
    credentials = [release.credentials_folder] if release.credentials else []
    sockets = {socket_folder(each) or "" for each in release.bindings if each.way == "socket"} - {""}
    elsewhere = any(each.is_elsewhere for each in release.bindings)
    return [
        *(f"{path}:{path}" for path in writable),
        *(f"{release.root}/{path}:{inside}/{path}:ro" for path in made),
        *(f"{release.root}/{path}:{release.root}/{path}:ro" for path in named),
        *(f"{path}:{path}:ro" for path in credentials),
        *(f"{path}:{path}" for path in sorted(sockets)),
        # the folder, as certificates are renewed
        *([f"{TLS_FOLDER}:{TLS_FOLDER}:ro"] if elsewhere else []),
    ]


def socket_folder(binding: Binding) -> str | None:
    """Return the folder of a service's socket, which stays when the service restarts; None if its role has none."""
    found = getattr(importlib.import_module(f"roles.{binding.role}"), "socket_folder", None)
    return str(found(binding)) if found else None
