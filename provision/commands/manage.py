"""prov manage: a command of a Django project's manage.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.command_line import CommandLine
from provision.cli.in_application import application_options, run_of
from provision.cli.prepare import Scope
from provision.errors import UsageError
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.apps.application import Application


@click.command(cls=CommandLine, words_before=2, epilog="Example:  prov manage web1 shop createsuperuser")
@application_options
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
def manage(scope: Scope, out: Format, app: str, arguments: Sequence[str], stdin: bool) -> int:
    """Run a command of the manage.py of the application APP, as `prov exec` runs others.

    Options of prov come before TARGET; what follows APP is for manage.py.

    Exit status: 0 the command succeeded on every host; 1 it failed on one; 2 usage or configuration; 4 a host
    could not be reached.
    """

    def words(found: Application) -> list[str]:
        if found.django is None:
            raise UsageError(
                f"{app} is not a Django project in the inventory: it has no `django`",
                hint=f"For other commands:  prov exec {scope.target} {app} -- ...",
            )
        return ["python", found.django.manage, *arguments]

    return run_of(scope, out, app, words, stdin=stdin)
