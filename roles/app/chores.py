"""Tasks for a release before it goes into service: Django's, and the application's own commands."""

from __future__ import annotations

import json
from collections.abc import Sequence

from provision.apps.app_model import App
from provision.apps.app_releases import Release, short_hash
from provision.apps.process_parts import Chore
from provision.role import Host
from provision.secrets import Secret
from provision.serving.workers import argv_of, programs_of
from provision.steps import command, files, permissions

#: runs manage.py
CHORES = "django_chores.py"
#: asks a database whether an upgrade by Alembic or Flask-Migrate is due
ASKING = "alembic_asking.py"
#: a recheck that says that it is
DUE = ["/bin/false"]
#: checks for what Django would do itself, and the front does: the header of HSTS, and redirects from http to https
COVERED = ("security.W004", "security.W005", "security.W008", "security.W021")


def all_of(c: Host, app: App, release: Release, *, check_deploy: bool) -> None:
    """Do all tasks of a release, each once for the state that it depends on; if it is only built, those that concern
    nothing but its folder."""
    if app.django:
        django(c, app, release, check_deploy=check_deploy)
    if not app.chores or c.dry_build:
        return
    first = c.is_first(app)
    for number, chore in enumerate(app.chores, 1):
        if chore.once == "host" or first:
            own(c, release, chore, number)
        else:
            c.wait_for_first(app)
    if first and any(chore.once == "group" for chore in app.chores) and not c.planning:
        c.first_is_done(app)


def own(c: Host, release: Release, chore: Chore, number: int) -> None:
    """Run one of the application's own commands."""
    state = [release.id, *chore.command]
    recheck: Sequence[str] = ()
    if upgrades(chore.command):
        files.copy(c, ASKING, to=f"{release.path}/.prov/{ASKING}", mode=0o644)
        state.append(release.migrations)
        recheck = DUE if has_new_database(release) else is_upgraded(release, chore.command)
    command.command(
        c,
        argv_of(chore.command),
        stamp=(f"{release.path}/.prov/command-{number}", short_hash(json.dumps(state))),
        recheck=recheck,
        user=release.app.user,
        cwd=release.root,
        environment=environment(release),
        credentials=release.credentials,
        timeout=chore.timeout,
    )


def upgrades(words: Sequence[str]) -> bool:
    """Return whether a command brings a database up to date with Alembic, or with Flask-Migrate."""
    named = words[2:] if words[1:2] == ["-m"] else [words[0].rpartition("/")[2], *words[1:]]
    return (named[:1] == ["alembic"] and "upgrade" in named) or (
        named[:1] == ["flask"] and "db" in named and "upgrade" in named[named.index("db") :]
    )


def asks_alembic(release: Release) -> bool:
    """Return whether one of a release's commands upgrades a database with Alembic or Flask-Migrate."""
    return any(upgrades(chore.command) for chore in release.app.chores)


def is_upgraded(release: Release, words: Sequence[str]) -> list[str]:
    """Return a test of the release, which the stamp says has upgraded its database: 1 if that lacks something."""
    asked = [f"{release.path}/.venv/bin/python", f"{release.path}/.prov/{ASKING}", *words]
    return ["/usr/bin/env", f"--chdir={release.root}", *asked]


def has_new_database(release: Release) -> bool:
    """Return whether this run makes a database that the application uses; a plan can't ask such a one."""
    return any(binding.is_new() for binding in release.bindings)


def environment(release: Release) -> dict[str, str | Secret]:
    """Return the environment of an application's commands: that of its processes."""
    return {
        **release.environment,
        "PYTHONPATH": release.search_path(release.path),
        "PATH": programs_of(release.path),
        "HOME": release.data,
    }


def django(c: Host, app: App, release: Release, *, check_deploy: bool) -> None:
    """Run Django's checks, collectstatic and migrate."""
    assert app.django is not None
    files.copy(c, CHORES, to=f"{release.path}/.prov/{CHORES}", mode=0o644)
    manage = [f"{release.path}/.venv/bin/python", f"{release.path}/.prov/{CHORES}", app.django.manage]
    covered = {"PROV_COVERED": " ".join(COVERED)} if app.tls != "none" else {}

    def run(
        *arguments: str,
        user: str,
        stamp: str,
        state: str,
        fills: Sequence[str] = (),
        recheck: Sequence[str] = (),
    ) -> None:
        command.command(
            c,
            [*manage, *arguments],
            stamp=(stamp, state),
            fills=fills,
            recheck=recheck,
            user=user,
            cwd=release.root,
            environment={**environment(release), **covered},
            credentials=release.credentials,
        )

    if check_deploy if app.django.check_deploy is None else app.django.check_deploy:
        arguments = ("check", "--deploy", "--fail-level", "WARNING")
        run(*arguments, user=app.user, stamp=f"{release.path}/.prov/checked", state=release.id)
    if app.collects_static:
        run(
            "collectstatic",
            "--noinput",
            user=app.user,
            stamp=f"{release.path}/.prov/static",
            state=release.id,
            fills=[f"{release.root}/{folder}" for folder in app.collected],
        )
    if app.django.migrate and not c.dry_build:
        run(
            *("migrate", "--noinput"),
            user=app.user,
            stamp=f"{release.home}/migrated",
            state=release.migrations,
            recheck=DUE if has_new_database(release) else is_migrated(release),
        )


def is_migrated(release: Release) -> list[str]:
    """Return a test of the release in service: 1 if its database lacks migrations, as a new or restored one.

    If the stamp is that of the new release, both releases have the same migrations, settings and database.
    """
    assert release.app.django is not None
    current = release.current
    return [
        *("/usr/bin/env", f"--chdir={release.inside(current)}"),
        *(f"PYTHONPATH={release.search_path(current)}", f"PATH={programs_of(current)}"),
        *(f"{current}/.venv/bin/python", f"{current}/.prov/{CHORES}", release.app.django.manage),
        *("migrate", "--check"),
    ]


def collected_in_source(release: Release) -> list[str]:
    """Return the folders of `static` that the source has files in, and collectstatic may fill all the same.

    A project may hold what its author has collected. If one of the folders is empty in the source, that one is filled.
    """
    app = release.app
    folders = app.collected if app.collects_static else []
    in_source = [app.in_source(folder) for folder in folders]
    has_files = [any(entry[0].startswith(f"{place}/") for entry in release.entries) for place in in_source]
    return list(folders) if all(has_files) else []


def static_folders(c: Host, app: App, release: Release, in_source: Sequence[str]) -> None:
    """Make the folders that collectstatic fills: in a release, the application's user writes only there.

    in_source: those of collected_in_source, with all that is in them.
    """
    for folder in app.collected:
        files.directory(c, f"{release.root}/{folder}", mode=0o755, owner=app.user, parents=True)
    for folder in in_source:
        permissions.permissions(c, f"{release.root}/{folder}", owner=app.user)
