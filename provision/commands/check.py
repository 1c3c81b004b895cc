"""prov check: find errors without connecting to a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.complete import complete_target
from provision.cli.options import format_option, inventory_option, limit_option
from provision.errors import Exit
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.run.offline_check import CheckedHost

COLUMNS = ("NAME", "ROLES", "APPLICATIONS", "STEPS")


@click.command(epilog="Example:  prov check  &&  prov plan all")
@click.argument("target", default="all", shell_complete=complete_target)
@inventory_option
@limit_option
@format_option
def check(target: str, inventory: Sequence[str], limit: str | None, out: Format) -> int:
    """Find all errors in the inventory, roles, applications and their sources at once, each with file and line.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out. Default: all. prov connects to no host,
    so errors that only a host can show are not found. Sources in git are fetched. It also names variables that nothing
    reads: neither prov, nor Ansible, nor a role of the project.

    Exit status: 0 nothing is wrong; 2 something is.
    """
    from provision.cli.prepare import Scope, meant
    from provision.inventory import Problems
    from provision.run.offline_check import checked

    hosts = meant(Scope(target, inventory, limit))
    problems = Problems()
    found = list(checked(hosts, problems))
    out.table(map(as_event, found), COLUMNS, map(row, found))
    for line in unread_lines(found) if not out.FOR_PROGRAMS else ():
        out.message(line)
    problems.raise_any()
    out.end()
    return Exit.DONE


def unread_lines(hosts: Sequence[CheckedHost]) -> Iterator[str]:
    """Yield a line for each variable that nothing reads, with its places and hosts."""
    from provision.report.shared_steps import whom

    places: dict[str, dict[str, list[str]]] = {}
    for host in hosts:
        for name in host.unread:
            origin = str(host.assignment.host.origin_as_written((name,)))
            places.setdefault(name, {}).setdefault(origin, []).append(host.assignment.host.name)
    everyone = [host.assignment.host.name for host in hosts]
    for name, found in places.items():
        first = next(iter(found))
        more = f" and {len(found) - 1} more place{'s' if len(found) > 2 else ''}" if len(found) > 1 else ""
        names = [host for hosts in found.values() for host in hosts]
        whose = names[0] if len(names) == 1 else whom(names, everyone)
        yield f"{first}{more}: nothing reads the variable {name!r} of {whose}"


def as_event(host: CheckedHost) -> dict[str, object]:
    """Return a host as a line of --json."""
    assignment = host.assignment
    return {
        "event": "check",
        "host": assignment.host.name,
        "roles": [role.name for role, _ in assignment.roles],
        "apps": [app.name for app in assignment.served.apps],
        "steps": host.steps,
        "unknown": [{"role": role, "task": task} for role, task in host.unknown],
        "unread": list(host.unread),
    }


def row(host: CheckedHost) -> tuple[str, ...]:
    """Return a host as a line of the table."""
    assignment = host.assignment
    roles = " ".join(role.name for role, _ in assignment.roles)
    apps = " ".join(app.name for app in assignment.served.apps)
    more = (
        f", and more in {' '.join(sorted({role for role, _ in host.unknown if role}))}"
        if host.unknown
        else ""
    )
    return assignment.host.name, roles, apps, f"{host.steps}{more}"
