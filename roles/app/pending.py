"""The SQL of a release's pending migrations, for reports: asked of the release on its host, which changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from provision.apps.app_releases import Release
from provision.apps.code_migrations import schema_of
from provision.controller.events import MigrationsPending, PendingMigration
from provision.role import Host
from provision.steps import files, pending_migrations
from provision.steps.pending_migrations import ANSWER, NOT_BUILT
from roles.app import chores


def tell_pending(c: Host, release: Release) -> None:
    """Have reports of plans and dry builds say what the pending migrations of a release do.

    A plan asks only a release that has been built. A deploy has the same steps, which ask nothing: it migrates.
    """
    questions = list(questions_of(release))
    migrations = schema_of(release)
    if not questions and not migrations:
        return
    if not c.planning and not c.dry_build:
        for _ in questions or [[]]:
            pending_migrations.pending_migrations(c, release.home, release.id, [])
        return
    if c.dry_build and chores.asks_alembic(release):
        files.copy(c, chores.ASKING, to=f"{release.path}/.prov/{chores.ASKING}", mode=0o644)
    for argv in questions or [[]]:
        asked = pending_migrations.pending_migrations(
            c,
            release.home,
            release.id,
            migrations,
            argv,
            user=release.app.user,
            cwd=release.root,
            environment=chores.environment(release),
            credentials=release.credentials,
        )
        # reading it now would wait for all steps so far
        c.at_end.append(lambda said=asked: tell(c, release, json.loads(said.stdout or "{}")))  # type: ignore[misc]


def questions_of(release: Release) -> Iterator[list[str]]:
    """Yield the programs that know what a release's deploy would migrate."""
    python, ours = f"{release.path}/.venv/bin/python", f"{release.path}/.prov"
    app = release.app
    if app.django and app.django.migrate:
        yield [python, f"{ours}/{chores.CHORES}", app.django.manage, "migrate", "--sql"]
    for chore in app.chores:
        if chores.upgrades(chore.command):
            yield [python, f"{ours}/{chores.ASKING}", "--sql", *chore.command]


def tell(c: Host, release: Release, found: Mapping[str, Any]) -> None:
    """Emit what a host has answered. Raises Misshapen for an answer that steps do not give."""
    if not found:
        return
    masks, answer = c.started().masks, ANSWER(dict(found))
    why = answer["why"]
    if why == NOT_BUILT:
        why = f"{why}; `prov deploy {c.name} --dry-build` makes it there, and shows their SQL"
    migrations = tuple(
        PendingMigration(
            masks.hide(each["name"]),
            masks.hide(each["sql"]),
            tuple(map(masks.hide, each["python"])),
            masks.hide(each["why"]),
        )
        for each in answer["migrations"]
    )
    c.emit(MigrationsPending(c.name, release.app.name, release.id, migrations, masks.hide(why)))
