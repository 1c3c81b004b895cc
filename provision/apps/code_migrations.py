"""The migrations that code brings: a database that has more of them is newer than the code."""

from __future__ import annotations

import posixpath
import re

from provision.apps.app_releases import Release

#: files in a folder `migrations` or `versions` (Alembic's), or numbered as Django does
MIGRATION = re.compile(r"/(migrations|versions)/[^/]*\.py$|/\d{4}_\w+\.py$")
#: files of such folders that are not migrations
OTHERS = ("__init__.py", "env.py")


def schema_of(release: Release) -> list[str]:
    """Return the migrations of a release that its deploy applies, as sorted paths in the source.

    None if prov runs no command that might migrate. Migrations of packages are not among them.
    """
    app = release.app
    if not app.chores and not (app.django and app.django.migrate):
        return []
    paths = (entry[0] for entry in release.entries)
    return sorted(
        path for path in paths if MIGRATION.search(f"/{path}") and posixpath.basename(path) not in OTHERS
    )
