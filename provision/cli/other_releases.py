"""--release: applications at another branch, tag or commit of their repository than the inventory's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.roles.project import Assignment

F = TypeVar("F", bound=Callable[..., Any])

#: a branch, tag or commit, as an application's `ref` has it; APP= before it names one application
GIVEN = re.compile(r"(?:(?P<app>[^=]+)=)?(?P<ref>(?!-)[\w./-]+)", re.ASCII)


def release_option(command: F) -> F:
    """--release [APP=]REF, repeatable; the command gets `releases`: name of an application ("" all) -> ref."""
    return click.option(
        "--release",
        "releases",
        multiple=True,
        metavar="[APP=]REF",
        callback=refs_of,
        help="Another branch, tag or commit than the inventory's, of applications from git or APP; may be repeated.",
    )(command)


def refs_of(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """Return the refs by application. Raises BadParameter."""
    found: dict[str, str] = {}
    for text in given:
        match = GIVEN.fullmatch(text)
        if not match:
            raise click.BadParameter(f"{text!r} is not a branch, tag or commit, nor APP=REF", ctx, param)
        app = match["app"] or ""
        if found.setdefault(app, match["ref"]) != match["ref"]:
            raise click.BadParameter(f"{app or 'one application'} can't have two releases", ctx, param)
    return found


def check_releases(refs: Mapping[str, str], assignments: Sequence[Assignment]) -> None:
    """Raise UsageError for an application that no host has, and for a ref that is not plain to which it belongs, and
    ProvError for one that its repository does not have."""
    apps = {app.name: app for each in assignments for app in each.served.apps}
    for name in sorted({*refs} - {*apps, ""}):
        raise UsageError(
            f"--release {name}={refs[name]}: none of these hosts has an application {name!r}",
            hint=f"They have: {', '.join(sorted(apps))}" if apps else "They have no applications.",
        )
    if "" in refs:
        check_common(refs, apps)
    for app in apps.values():
        if isinstance(app.source, str) and {app.name, ""} & {*refs}:
            # reads it: hosts wait for that in any case
            _ = app.commit


def check_common(refs: Mapping[str, str], apps: Mapping[str, Application]) -> None:
    """Raise UsageError for a ref of all applications if they come from several repositories, or from none. refs, apps:
    by the applications' names."""
    sources: dict[str, str] = {}
    for app in apps.values():
        if isinstance(app.source, str) and app.name not in refs:
            sources.setdefault(app.source, app.name)
    if not sources:
        raise UsageError(
            f"--release {refs['']}: no application of these hosts comes from git",
            hint="The release of a folder is what is in it. For a repository, its URL is the application's `source`.",
        )
    if len(sources) > 1:
        first = next(iter(sources.values()))
        raise UsageError(
            f"--release {refs['']}: these applications come from different repositories:"
            f" {', '.join(sorted(sources.values()))}",
            hint=f"Name one:  --release {first}={refs['']}",
        )
