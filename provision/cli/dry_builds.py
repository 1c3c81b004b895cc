"""prov deploy --dry-build: the part of a deploy that makes releases, and leaves what is in service alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.roles.project import Assignment

#: the roles that make a release; nothing else runs
ROLES = ("python", "app")


def only_builds(assignments: Sequence[Assignment]) -> list[Assignment]:
    """Return what makes the releases of these hosts. Raises UsageError if there is none, or if the project's own role
    makes them, which may not know how to leave out the rest."""
    # imported here: only deploys that build need it
    from provision.declared.role_folders import BUILTIN

    found = []
    for each in assignments:
        roles = tuple(pair for pair in each.roles if pair[0].name in ROLES)
        apps = [role for role, _ in roles if role.name == "app"]
        if not apps or not each.served.apps:
            continue
        if apps[0].folders[0].parent.resolve() != BUILTIN:
            raise UsageError(
                f"--dry-build: the role app in {apps[0].folders[0]} is the project's own, and may do more than build",
                hint="Deploy without --dry-build.",
            )
        found.append(replace(each, roles=roles))
    if not found:
        names = ", ".join(each.host.name for each in assignments)
        raise UsageError(
            f"--dry-build: there is nothing to build, as no application is deployed on {names}",
            hint="Hosts with the role app and an entry in apps have releases.",
        )
    return found
