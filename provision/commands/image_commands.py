"""prov image: the container image of an application."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.nearest_names import NearestNames
from provision.cli.of_applications import named, served_apps
from provision.cli.options import format_option, several_hosts
from provision.cli.prepare import Scope, meant
from provision.errors import UsageError
from provision.report.formats import Format
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.oci.app_image import Recipe


@click.group(cls=NearestNames, epilog="Example:  prov image build web1 shop -o shop.tar")
def image() -> None:
    """Make the container image of an application: its release on a base image, without secrets."""


app_argument = click.argument("app", required=False, default="")


@image.command(epilog="Example:  prov image build web1 shop -o shop.tar")
@several_hosts
@app_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), default=None, metavar="FILE",
              help="The archive. Default: APP.tar.")  # fmt: skip
def build(scope: Scope, out: Format, app: str, output: Path | None) -> int:
    """Write the image of an application's release into an archive, as podman, docker and skopeo read it.

    Connects to no host. The same release on the same base gives the same digest. TARGET is a host, a group, a glob, or
    several with commas; !x leaves out. Their releases must be the same.

    Exit status: 0 done; 1 the packages can't be installed; 2 usage or configuration.
    """
    from provision.oci import app_image, image_builder

    with recipe(scope, app) as found:
        release = found.release
        built = image_builder.build(found, output or Path(f"{release.app.name}.tar"), progress)
        wanted = app_image.expected_of(release)
        event = {
            "event": "image",
            "app": release.app.name,
            "release": release.id,
            "file": str(built.path),
            "digest": built.digest,
            "name": built.name,
            "bytes": built.size,
            "added": built.added,
            "python": found.version,
            "platform": found.platform,
            "expects": wanted,
            "leaves": list(found.notes),
        }
        lines = [
            f"{built.path}: {built.name}, {megabytes(built.size)} ({megabytes(built.added)} over its base)",
            f"  {built.digest}",
            f"  Python {found.version}, {found.platform}",
        ]
        lines += [f"  to be given when it runs: {', '.join(wanted)}"] if wanted else []
        lines += [f"  left to the place that runs it: {', '.join(found.notes)}"] if found.notes else []
    out.show([event], lines)
    return 0


@image.command(epilog="Example:  prov image containerfile web1 shop -o shop-image")
@several_hosts
@app_argument
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), default=None, metavar="FOLDER",
              help="Write it there, with the layers that it adds.")  # fmt: skip
def containerfile(scope: Scope, out: Format, app: str, output: Path | None) -> int:
    """Print a Containerfile that makes the same image by podman, buildah or docker. Connects to no host.

    Exit status: 0 done; 1 the packages can't be installed; 2 usage or configuration.
    """
    from provision.oci import app_image, image_builder

    with recipe(scope, app) as found:
        if output is not None:
            text = image_builder.keep(found, output, progress)
        else:
            settings = app_image.run_settings(found)
            text = app_image.containerfile(found, settings, image_builder.LAYERS)
    out.show([{"event": "containerfile", "text": text}], text.splitlines())
    return 0


@image.command(epilog="Example:  prov image push web1 shop --tag latest")
@several_hosts
@app_argument
@click.option("--tag", "tags", multiple=True, metavar="TAG",
              help="A further tag; may be repeated. The name of the release is always one.")  # fmt: skip
def push(scope: Scope, out: Format, app: str, tags: tuple[str, ...]) -> int:
    """Push the image of an application's release to `image: {registry: ...}`, with what the registry lacks of it.

    Connects to no host. A tag that names this image already is left alone.

    Exit status: 0 done; 1 the packages can't be installed, or the registry refused; 2 usage or configuration.
    """
    for tag in tags:
        # OCI distribution specification, "Pulling manifests"
        if not re.fullmatch(r"\w[\w.-]{0,127}", tag, re.ASCII):
            raise UsageError(f"{tag!r} is not a tag: letters, digits, '_', '.' and '-', up to 128")
    from provision.oci.image_push import push as push_image
    from provision.oci.registry import Registry, RegistryLogin

    with recipe(scope, app) as found:
        release = found.release
        assert release.app.image is not None
        to = release.app.image.registry
        if to is None:
            raise UsageError(
                f"{release.app.name} has no registry to push its image to",
                hint="Name one:  image: {base: ..., registry: registry.example.com/team/shop}",
            )
        login = (
            RegistryLogin(to.user, to.password) if to.user is not None and to.password is not None else None
        )
        pushed = push_image(found, Registry(to.repository, login, tls=to.tls), [release.id, *tags], progress)
        event = {
            "event": "pushed",
            "app": release.app.name,
            "release": release.id,
            "repository": pushed.repository,
            "digest": pushed.digest,
            "tags": list(pushed.tags),
            "sent": pushed.sent,
        }
        lines = [
            *(f"{pushed.repository}:{tag}" for tag in pushed.tags),
            f"  {pushed.digest}, {megabytes(pushed.sent)} sent",
        ]
    out.show([event], lines)
    return 0


@image.command(epilog="Example:  prov image show shop.tar")
@click.argument("file", type=click.Path(path_type=Path))
@format_option
def show(file: Path, out: Format) -> int:
    """Show the images in an archive or a folder, after checking the hash of each layer.

    Exit status: 0 shown; 1 the file is missing, damaged or not an image.
    """
    from provision.oci.image_builder import described_image
    from provision.oci.layout_reader import opened

    with opened(file) as layout:
        found = described_image(layout)
    lines = []
    for each in found:
        lines.append(f"{each['digest']}  {each['name']}:{each['release']}  {each['architecture']}")
        lines.append(f"  user {each['user']}, listens on {', '.join(each['ports'])}")
        lines.append(f"  runs {' '.join(each['entrypoint'])}")
        lines += [f"  {value}" for value in each["environment"]]
        lines += [f"  layer {layer['digest']}  {megabytes(layer['size'])}" for layer in each["layers"]]
    out.show([{"event": "image", **each} for each in found], lines)
    return 0


@contextlib.contextmanager
def recipe(scope: Scope, app: str) -> Iterator[Recipe]:
    """Yield what the image of an application is made of. Raises UsageError, ConfigErrors."""
    from provision.inventory.loaded import check
    from provision.oci.image_builder import recipe_of
    from provision.roles.project import resolve
    from provision.roles.role_host import role_file
    from provision.serving.imaginary_host import program_offline

    hosts = meant(scope)
    check(hosts, reach=False)
    apps = served_apps(hosts, app)
    chosen = {(host, each.name): each for host, found in apps.items() for each in found}
    if len({name for _, name in chosen}) != 1:
        names = ", ".join(sorted({name for _, name in chosen}))
        raise UsageError(
            f"{scope.target} has several applications: {names}", hint="Name one after the target."
        )
    releases = {each.release.id: host for (host, _), each in chosen.items()}
    if len(releases) > 1:
        by_release = ", ".join(f"{release} on {host}" for release, host in sorted(releases.items()))
        raise UsageError(f"the releases differ: {by_release}", hint="Name one of these hosts.")
    host = hosts[0]
    (assignment,) = resolve([host], reach=False)
    found = named(next(name for _, name in chosen), host.name, assignment.served.apps)
    program = program_offline(assignment, found)
    inside = program.inside or program
    with recipe_of(host, found.release, inside, role_file("app", "files", "on_port.py")) as made:
        yield made


def progress(text: str) -> None:
    """Say what takes long."""
    say(text, err=True)


def megabytes(size: int) -> str:
    """Return a size for people."""
    return f"{size / 1e6:.1f} MB"
