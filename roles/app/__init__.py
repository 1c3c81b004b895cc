"""Applications: a user, a folder for each release, a virtual environment, settings, and Django's own tasks.

Nothing here touches what is in service: a server role starts the new release beside the old one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from provision.apps.app_model import PYTHONS, App
from provision.apps.app_releases import OURS, Release, short_hash, visible
from provision.apps.application import Application
from provision.apps.code_migrations import schema_of
from provision.apps.interpreters import unusable
from provision.controller.events import Attention
from provision.errors import ConfigError
from provision.role import Host, Params, task
from provision.serving.app_parts import part_of
from provision.serving.credential_files import credential_files
from provision.serving.instances import environment_file, loads, program_for
from provision.serving.starting import settle, settle_built
from provision.serving.workers import PROGRAMS, are_there
from provision.steps import (
    apt,
    assets,
    command,
    failed_releases,
    files,
    python,
    releases,
    releases_served,
    service_users,
    tree,
)
from roles.app import bound, chores
from roles.app.pending import tell_pending

AFTER = ("python",)
#: folder in the data folder that holds the `writable` paths
WRITABLE = "release"


class AppRole(Params):
    """Parameters of the role `app`; the applications themselves are in the variable `apps`."""

    check_deploy: bool = True
    """Require Django's `check --deploy --fail-level WARNING` to pass before a release goes into service."""

    def unmet(self, host: Host) -> Iterator[ConfigError]:
        yield from bound.out_of_reach(host)
        for app in host.apps:
            error = unusable(app, host.inventory, host.facts.python)
            if error:
                yield error


@task
def install(c: Host, p: AppRole) -> None:
    """Bring every application of this host to its current release, ready to be served."""
    for app in c.apps:
        bound.await_providers(c, app)
        with part_of(c, app):
            prepare(c, app, check_deploy=p.check_deploy)
        if c.dry_build:
            c.later(lambda a=app: settle_built(c, a.release))  # type: ignore[misc]
            continue
        c.later(lambda a=app: settle(c, a.release, a.commit))  # type: ignore[misc]


def prepare(c: Host, app: Application, *, check_deploy: bool) -> None:
    """The release of an application, with all that it needs beside its server."""
    release = app.release
    if not c.forced:
        schema_gate(c, release)
    account(c, app, release)
    if not c.dry_build:
        bound.certify(c, app)
    if app.packages.run or app.packages.build:
        apt.packages(c, [*app.packages.run, *app.packages.build])
    if not c.dry_build:
        # the release in service reads it whenever it restarts
        with part_of(c, app, "environment"):
            environment_file(c, release)
            credential_files(c, release, in_image=program_for(c, app).inside is not None)
    c.on_failure(lambda: without_release(c, release))
    collected = chores.collected_in_source(release)
    files_of(c, release, collected)
    if app.collects_static:
        # some applications look for the folder while they are imported
        chores.static_folders(c, app, release, collected)
    loads(c, release)
    are_there(c, release)
    with part_of(c, app, "command"):
        chores.all_of(c, app, release, check_deploy=check_deploy)
    tell_pending(c, release)
    if app.static and not c.dry_build:
        releases.releases_before(c, release.home, release.id, count=app.keep_releases - 1)


def schema_gate(c: Host, release: Release) -> None:
    """Refuse code that is older than its database; plans and dry builds say what pending migrations do to the release
    in service."""
    if not c.planning and not c.dry_build:
        releases_served.schema_known(c, release.home, schema_of(release))
        return
    # imported here: deploys need not read migrations
    from provision.apps.migration_rewrites import rewrites_of
    from provision.apps.migration_risks import code_before, risks_of

    rewrites = (
        {} if any(use.role == "postgres" for use in release.app.uses.values()) else rewrites_of(release)
    )
    known = releases_served.schema_known(
        c, release.home, schema_of(release), risks_of(release), rewrites=rewrites, data=release.data
    )

    def tell() -> None:
        for line in json.loads(known.stdout or "{}").get("risks", ()):
            c.emit(Attention(c.name, code_before(line, release.app.name)))

    c.at_end.append(tell)


def without_release(c: Host, release: Release) -> None:
    """Remove a release that has failed: it is none to go back to, and counts for nothing."""
    with part_of(c, release.app):
        failed_releases.failed_release(c, release.home, release.id)


def account(c: Host, app: App, release: Release) -> None:
    """The application's own user, and its folders."""
    said_in = c.inventory.origin("apps", app.name, "user")
    service_users.service_user(c, app.user, home=release.data, said_in=str(said_in or ""))
    # the front may pass through to media files; other applications may not, even if a database is
    # world-readable
    files.directory(c, release.data, mode=0o710, owner=app.user, group="www-data")
    uploads = folders_of(app.media.values())
    for folder in uploads:
        # uploads are readable for the front by their group, which new files inherit
        files.directory(c, f"{release.data}/{folder}", mode=0o2750, owner=app.user, group="www-data")
    for folder in folders_of([f"{WRITABLE}/{path}" for path in app.writable]):
        if folder in uploads:
            continue
        files.directory(c, f"{release.data}/{folder}", mode=0o750, owner=app.user, group=app.user)
    for folder in (release.home, f"{release.home}/releases", f"{release.home}/venvs"):
        files.directory(c, folder, mode=0o755)


def files_of(c: Host, release: Release, collected: Sequence[str]) -> None:
    """The release's files, owned by root, and its virtual environment. collected: see chores.collected_in_source."""
    app = release.app
    preserved = [*OURS, *map(app.in_source, (*app.static.values(), *app.writable, *app.files)), *app.built]
    with part_of(c, app, "source"):
        tree.tree(
            c,
            release.path,
            release.entries,
            like=release.current,
            keep=preserved,
            folder_mode=0o755,
            filled=[app.in_source(folder) for folder in collected],
        )
    files.directory(c, f"{release.path}/.prov", mode=0o755)
    for path, template in app.files.items():
        # it may hold secrets, and the application has to read it
        text = c.render_file(template, app=app, release=release, vars=c.vars)
        folder = f"{release.root}/{path}".rpartition("/")[0]
        files.directory(c, folder, mode=0o755, parents=True)
        files.file(c, f"{release.root}/{path}", text, mode=0o640, owner="root", group=app.user)
    for path in app.writable:
        writable(c, release, path)
    with part_of(c, app, "packages"):
        python.venv(
            c,
            release.venv,
            python=release.app.interpreter,
            requirements=release.requirements,
            packages=release.packages,
            constraints=release.wanted.constraints,
            folder=release.path,
            environment=release.installing,
            cache=release.app.name,
            like=f"{release.current}/.venv",
        )
    # the application's user must be able to enter
    files.directory(c, release.venv, mode=0o755)
    files.link(c, f"{release.path}/.venv", f"../../venvs/{release.venv.rsplit('/', 1)[-1]}")
    build(c, release)


def build(c: Host, release: Release) -> None:
    """Run builds on the host, as their own user, which sees the release and its packages, but no secrets."""
    app = release.app
    if app.build is None or app.build.here:
        return
    assets.built(
        c,
        release.path,
        app.build.command,
        app.built,
        short_hash(json.dumps([release.id, *app.build.command])),
        folder=app.subdirectory or "",
        shows=[release.venv, PYTHONS],
        without=[app.in_source(path) for path in app.writable],
        environment={**visible(app.environment), "PATH": f"{release.venv}/bin:{PROGRAMS}"},
        cache=app.name,
        timeout=app.build.timeout,
    )


def writable(c: Host, release: Release, path: str) -> None:
    """Link a path of the release into the data folder; files that the source has there are copied once."""
    app, place = release.app, f"{release.data}/{WRITABLE}/{path}"
    seeds = release.seeds(path)
    if seeds:
        files.directory(c, f"{release.path}/{OURS[0]}/seeds/{path}", mode=0o755, parents=True)
        tree.tree(c, f"{release.path}/{OURS[0]}/seeds/{path}", seeds, folder_mode=0o755)
        command.command(
            c,
            ["cp", "--recursive", "--no-clobber", "--", f"{release.path}/{OURS[0]}/seeds/{path}/.", place],
            stamp=(f"{release.path}/{OURS[0]}/seeded-{path.replace('/', '-')}", release.id),
            user=app.user,
        )
    files.directory(c, f"{release.root}/{path}".rpartition("/")[0], mode=0o755, parents=True)
    files.link(c, f"{release.root}/{path}", place)


def folders_of(paths: Iterable[str]) -> list[str]:
    """Return folders and their parents: "uploads/images" gives two, one in the other."""
    parts = (PurePosixPath(path) for path in paths)
    return sorted({str(each) for path in parts for each in (path, *path.parents) if each.name})
