"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def inventory_option(command: F) -> F:
    """-i PATH, repeatable; the default is pyproject.toml's [tool.prov] inventory, else inventory/."""
    return click.option(
        "-i",
        "--inventory",
        "inventory",
        multiple=True,
        metavar="PATH",
        help="Inventory file or folder; may be repeated. Default: [tool.prov] in pyproject.toml, else inventory/.",
    )(command)


def json_option(command: F) -> F:
    """--json: JSON lines on stdout and nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")(command)


def limit_option(command: F) -> F:
    """--limit PATTERN, as Ansible's."""
    return click.option(
        "--limit", metavar="PATTERN", help="Only those of TARGET's hosts that are in PATTERN too."
    )(command)


def forks_option(command: F) -> F:
    """--forks N."""
    return click.option(
        "--forks",
        type=click.IntRange(min=1),
        default=20,
        show_default=True,
        metavar="N",
        help="Hosts at the same time.",
    )(command)


def several_hosts(command: F) -> F:
    """TARGET, -i, --limit, --forks and --json: for every command that works on hosts in parallel."""
    for option in (json_option, forks_option, limit_option, inventory_option):
        command = option(command)
    return click.argument("target")(command)


def role_options(command: F) -> F:
    """What deploy and plan have in common besides: --role, --diff/--no-diff, -v."""
    verbose = click.option(
        "-v", "--verbose", is_flag=True, help="Show unchanged steps too, with the reason and the time."
    )
    diff = click.option(
        "--diff/--no-diff",
        default=None,
        help="Show whole differences, or none. Default: whole for a plan, shortened for a deploy.",
    )
    role = click.option(
        "--role", "roles", multiple=True, metavar="NAME", help="Only this role; may be repeated."
    )
    return role(diff(verbose(command)))
