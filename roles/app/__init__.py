"""Applications: a user, a folder for each release, a virtual environment, settings, Django's own chores.

Nothing here touches what is in service: a server role starts the new release beside the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from provision.apps.interpreters import unfit
from provision.apps.model import App
from provision.apps.releases import OURS, Release
from provision.errors import ConfigError
from provision.role import Host, Params, task
from provision.serving.instances import environment_file
from provision.steps import command, files, python, releases, service_users, tree

AFTER = ("python",)


class AppRole(Params):
    """Parameters of the role `app`; the applications themselves are in the variable `apps`."""

    check_deploy: bool = True
    """Have Django's `check --deploy --fail-level WARNING` pass before a release goes on."""

    def unmet(self, host: Host) -> Iterator[ConfigError]:
        for app in host.apps:
            why = unfit(app.release, host.facts.python)
            if why:
                hint = f"Name another one: `python: '3.13'`, or a path on {host.name}."
                yield host.inventory.error(("apps", app.name, "python"), why, hint)


@task
def install(c: Host, p: AppRole) -> None:
    """Bring every application of this host to its current release, ready to be served."""
    for app in c.apps:
        release = app.release
        account(c, app, release)
        environment_file(c, release)
        files_of(c, release)
        if app.django:
            chores(c, app, release, p)
        c.later(lambda r=release: settle(c, r))  # type: ignore[misc]


def account(c: Host, app: App, release: Release) -> None:
    """The application's own user, and its folders."""
    said_in = c.inventory.origin("apps", app.name, "user")
    service_users.service_user(c, app.user, home=release.data, said_in=str(said_in or ""))
    # the front may pass through to media files; other applications may not, whatever the mode of a database
    files.directory(c, release.data, mode=0o710, owner=app.user, group="www-data")
    # "uploads/images" is two folders, one in the other
    parts = (PurePosixPath(folder) for folder in app.media.values())
    for folder in sorted({str(p) for path in parts for p in (path, *path.parents) if p.name}):
        # what the application uploads is readable for the front by its group, which new files inherit
        files.directory(c, f"{release.data}/{folder}", mode=0o2750, owner=app.user, group="www-data")
    for folder in (release.home, f"{release.home}/releases", f"{release.home}/venvs"):
        files.directory(c, folder, mode=0o755)


def files_of(c: Host, release: Release) -> None:
    """The release's files, owned by root, and its virtual environment."""
    kept = [*OURS, *(f"{prefix_of(release)}{folder}" for folder in release.app.static.values())]
    tree.tree(c, release.path, release.entries, like=release.current, keep=kept, folder_mode=0o755)
    files.directory(c, f"{release.path}/.prov", mode=0o755)
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
    )
    # the application's user has to get in
    files.directory(c, release.venv, mode=0o755)
    files.link(c, f"{release.path}/.venv", f"../../venvs/{release.venv.rsplit('/', 1)[-1]}")


def chores(c: Host, app: App, release: Release, p: AppRole) -> None:
    """Django's checks, static files and migrations; each once for the state that it is for."""
    assert app.django is not None
    manage = [f"{release.path}/.venv/bin/python", app.django.manage]

    def run(*arguments: str, user: str, stamp: str, state: str, fills: Sequence[str] = ()) -> None:
        command.command(
            c,
            [*manage, *arguments],
            stamp=(stamp, state),
            fills=fills,
            user=user,
            cwd=release.root,
            environment={**release.environment, "PYTHONPATH": ":".join(release.search_path(release.path))},
        )

    if p.check_deploy:
        arguments = ("check", "--deploy", "--fail-level", "WARNING")
        run(*arguments, user=app.user, stamp=f"{release.path}/.prov/checked", state=release.id)
    if app.django.migrate:
        run("migrate", "--noinput", user=app.user, stamp=f"{release.home}/migrated", state=release.migrations)
    if app.collects_static:
        static(c, app, release)
        run(
            "collectstatic",
            "--noinput",
            user=app.user,
            stamp=f"{release.path}/.prov/static",
            state=release.id,
            fills=[f"{release.root}/{folder}" for folder in app.static.values()],
        )


def static(c: Host, app: App, release: Release) -> None:
    """Folders that collectstatic fills: the application's user writes there, and nowhere else in a release."""
    for folder in app.static.values():
        files.directory(c, f"{release.root}/{folder}", mode=0o755, owner=app.user, parents=True)


def settle(c: Host, release: Release) -> None:
    """Once the front serves the new release: say so, and let the oldest ones go."""
    files.link(c, release.current, f"releases/{release.id}")
    releases.old_releases(c, release.home, release.id, keep=release.app.keep_releases)


def prefix_of(release: Release) -> str:
    """Where the application begins in its release, as the beginning of a path."""
    return f"{release.app.subdirectory}/" if release.app.subdirectory else ""
