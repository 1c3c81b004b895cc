"""prov plan: what a deploy would change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from provision.cli.converge import ConvergeOptions, converge, list_only
from provision.cli.options import role_options, several_hosts
from provision.cli.other_releases import release_option
from provision.cli.prepare import RolePart, Scope
from provision.errors import UsageError
from provision.report.formats import Format


@click.command(epilog="Example:  prov plan web1 -o web1.plan  &&  prov deploy --plan web1.plan")
@role_options
@release_option
@several_hosts
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Save the plan as well; prov deploy --plan FILE deploys exactly that.",
)
def plan(
    scope: Scope,
    out: Format,
    part: RolePart,
    releases: Mapping[str, str],
    prune: bool,
    list_steps: bool,
    diff: bool | None,
    verbose: bool,
    output: Path | None,
) -> int:
    """Show what a deploy would change, with diffs. Changes nothing.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out.

    Exit status: 0 in sync; 3 there are changes; 1 a step or host failed; 2 usage or configuration; 4 a host
    could not be reached; 130 interrupted.
    """
    order = ConvergeOptions(scope, part, out, diff, verbose, prune=prune, releases=releases)
    if list_steps:
        return list_only(order)
    if output is not None:
        if prune:
            raise UsageError("a saved plan cannot prune", hint="Write:  prov deploy --prune TARGET")
        from provision.cli.saved_plans import plan_and_save

        return plan_and_save(order, output)
    return converge(order, plan=True)
