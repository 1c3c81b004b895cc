"""prov drift: what differs from the inventory."""

from __future__ import annotations

import click

from provision.cli.converge import ConvergeOptions, execute
from provision.cli.options import role_part, several_hosts
from provision.cli.prepare import RolePart, Scope, all_on_platforms, assigned, meant
from provision.errors import UsageError
from provision.report.formats import Format


@click.command(epilog="Example:  prov drift all || mail -s drift ops  (in a crontab: see docs/plan.md)")
@role_part
@several_hosts
def drift(
    scope: Scope,
    out: Format,
    part: RolePart,
) -> int:
    """List what differs from the inventory: a block for each application, a line for each other cause.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out. Owed restarts are listed too;
    commands that cannot be checked without running them do not count. Changes nothing.

    Exit status: 0 no drift; 3 drift; 1 a step or host failed; 2 usage or configuration; 4 a host could not be
    reached; 130 interrupted.
    """
    hosts = meant(scope)
    if all_on_platforms(hosts):
        from provision.cli.platform_plans import platform_drift

        if part != RolePart():
            hint = "Leave out --role, --tags, --skip-tags and --start-at."
            raise UsageError("targets on platforms have no roles", hint=hint)
        return platform_drift(hosts, out)
    assignments = assigned(scope, part, hosts=hosts)
    order = ConvergeOptions(scope, part, out)
    return execute(order, assignments, plan=True, drift=True)
