"""The applications of a target, and what of each a cluster can't have."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from functools import cached_property

from provision.apps.app_model import App
from provision.apps.app_releases import Release
from provision.apps.process_parts import ImageSettings
from provision.errors import ConfigError
from provision.inventory import InventoryHost, Problems
from provision.oci.app_image import PLACE, expected_of
from provision.oci.image_builder import fit_for_image, notes_of
from provision.platforms.cron_times import cron_time
from provision.platforms.kubernetes.cluster_access import AccessOf
from provision.platforms.kubernetes.cluster_block import ClusterBlock
from provision.platforms.mapped_release import (
    MappedRelease,
    hosts_services,
    notes_on,
    open_to_all,
    unsaid_schedule,
    without_counterpart,
)
from provision.roles.project import Assignment
from provision.secrets import Secret
from provision.values import dataclass

#: CronJob, "Limitations": its Jobs' names add eleven characters
LONGEST_CRONJOB = 52
#: folder of `secrets_as: credentials` in a container
CREDENTIALS = "/run/credentials"
#: units of systemd's MemoryMax=, as Kubernetes has them
UNITS = {"K": "Ki", "M": "Mi", "G": "Gi"}


@dataclass(frozen=True)
class MappedApp(MappedRelease):
    """An application on its target. block: where in the cluster it is."""

    block: ClusterBlock
    image_settings: ImageSettings

    @property
    def image(self) -> str:
        """Return the reference of its image, as `prov image` tags it."""
        return f"{self.block.registry}/{self.app.name}:{self.release.id}"

    @cached_property
    def variables(self) -> dict[str, str | Secret]:
        """Return the environment of its containers, besides what its image has."""
        release, names = self.release, expected_of(self.release)
        given = {
            name: value if isinstance(value, Secret) else value.replace(release.root, release.inside(PLACE))
            for name, value in release.environment.items()
        }
        # its own PYTHONPATH is in the image
        found = {name: value for name, value in given.items() if name in names or name.startswith("PROV_")}
        return {**found, **({"CREDENTIALS_DIRECTORY": CREDENTIALS} if self.credentials else {})}

    @property
    def credentials(self) -> dict[str, Secret]:
        """Return the secrets that its containers find as files."""
        return self.release.credentials

    @property
    def credentials_secret(self) -> str:
        """Return the name of the Secret with them."""
        return f"{self.app.name}-credentials"

    @property
    def folders(self) -> list[str]:
        """Return the folders that it writes to, in its data folder."""
        inside = [*self.app.media.values(), *(f"release/{path}" for path in self.app.writable)]
        return sorted(posixpath.join(self.release.data, each) for each in inside)

    @property
    def collected(self) -> list[str]:
        """Return the folders that collectstatic fills, in its containers."""
        root = self.release.inside(PLACE)
        return [posixpath.join(root, each) for each in self.app.collected] if self.app.collects_static else []

    @property
    def notes(self) -> list[str]:
        """Return what of the application has no counterpart, and what the cluster must have."""
        app, name = self.app, self.app.name
        processes, block = app.processes.items(), self.block
        unlike = [each for each, process in processes if process.stop_signal != "TERM"]
        unsaid = [
            each for each, process in processes if process.memory_max and not memory_of(process.memory_max)
        ]
        gone = [
            each for each in notes_of(self.release) if each.startswith(("files made", "first", "packages"))
        ]
        left = {
            **without_counterpart(app),
            f"stop_signal of processes ({', '.join(unlike)}): they get the server's": unlike,
            f"memory_max of processes ({', '.join(unsaid)})": unsaid,
            "expect: the health path must answer 200 to 399": app.expect,
            "writable_paths of the sandbox": app.sandbox.writable_paths,
            **dict.fromkeys(gone, True),
        }
        found = notes_on(app, left, [*app.static, *app.media])
        if (app.media or app.writable) and not block.storage:
            found.append(f"{name}: what it writes ends with each pod; `storage` of the block keeps it")
        if block.ingress and app.tls != "none":
            found.append(
                f"{name}: the Secret {tls_secret(self)} must have the certificate of {', '.join(app.domains)};"
                " cert-manager makes it if an annotation of the Ingress names an issuer"
            )
        return found


def tls_secret(mapped: MappedApp) -> str:
    """Return the name of the Secret that has an application's certificate."""
    ingress = mapped.block.ingress
    return (ingress and ingress.tls_secret) or f"{mapped.app.name}-tls"


def memory_of(size: str) -> str:
    """Return a memory limit of systemd's as Kubernetes writes it; "" if it has none."""
    if size.isdigit():
        return size
    return size[:-1] + UNITS[size[-1:]] if size[-1:] in UNITS else ""


def check(access_of: AccessOf, assignment: Assignment) -> None:
    """Raise ConfigErrors for what a target can't have."""
    mapped_apps(access_of, assignment)


def mapped_apps(access_of: AccessOf, assignment: Assignment, only: str = "") -> list[MappedApp]:
    """Return the applications of a target. Raises ConfigErrors with all that is wrong, and ProvError for sources that
    can't be read.

    only: the name of the only one that is wanted.
    """
    host, problems = assignment.host, Problems()
    ready: list[tuple[Release, ImageSettings]] = []
    blocks: list[ClusterBlock] = []
    with problems.gathered():
        blocks.append(access_of(host).block)
    for app in assignment.served.apps:
        if only in ("", app.name):
            for error in unmapped(host, app):
                problems.add(error)
            with problems.gathered():
                ready.append((app.release, fit_for_image(host, app.release)))
    for error in named_twice(host, assignment.served.apps):
        problems.add(error)
    problems.raise_any()
    return [MappedApp(host, release, blocks[0], settings) for release, settings in ready]


def unmapped(host: InventoryHost, app: App) -> Iterator[ConfigError]:
    """Yield an error for each setting that a cluster can't have."""
    yield from open_to_all(host, app, "Kubernetes", "Do it in the application, or by the Ingress controller.")
    yield from hosts_services(host, app, "pods")
    for name in app.jobs:
        yield from unsaid_schedule(host, app, name, cron_time)
        if len(f"{app.name}-{name}") > LONGEST_CRONJOB:
            message = f"{app.name}-{name} is longer than the {LONGEST_CRONJOB} characters of a CronJob's name"
            yield host.error(("apps", app.name, "jobs", name), message)


def named_twice(host: InventoryHost, apps: Sequence[App]) -> Iterator[ConfigError]:
    """Yield an error for each application whose objects would have the names of another's: `shop-mail`, and the
    process `mail` of `shop`."""
    names = {app.name for app in apps}
    for app in apps:
        files = ("credentials",) if app.secrets and app.secrets_as == "credentials" else ()
        for kind, parts in (("processes", app.processes), ("jobs", app.jobs), ("secrets_as", files)):
            for part in parts:
                if f"{app.name}-{part}" in names:
                    message = f"its objects would have the names of those of {app.name}-{part}"
                    yield host.error(
                        ("apps", app.name, kind, part), message, "Give one of both another name."
                    )
