"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from provision.cli.complete import complete_roles, complete_target
from provision.cli.prepare import RolePart, Scope
from provision.cli.vault_options import vault_options
from provision.report import formats

F = TypeVar("F", bound=Callable[..., Any])
#: hosts at a time, if nothing else is said
FORKS = Scope("").forks


def inventory_option(command: F) -> F:
    """-i PATH, repeatable; the default is pyproject.toml's [tool.prov] inventory, else inventory/.

    With it come the options for the inventory's vaults.
    """
    return click.option(
        "-i",
        "--inventory",
        "inventory",
        multiple=True,
        metavar="PATH",
        help="Inventory file or folder; may be repeated. Default: [tool.prov] in pyproject.toml, else inventory/.",
    )(vault_options(command))


def format_option(command: F) -> F:
    """--format NAME, and --json for --format json: the command gets the Format as `out`."""
    command = click.option(
        "--json",
        "json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=note_json,
        help="--format json.",
    )(command)
    return click.option(
        "--format",
        "out",
        type=click.Choice(formats.names()),
        default=formats.DEFAULT,
        show_default=True,
        callback=chosen_format,
        help="text: for people; plain: the same without colours and moving lines; json: one object a line.",
    )(command)


def note_json(ctx: click.Context, param: click.Parameter, given: bool) -> None:
    """Remember for `chosen_format` that --json was given."""
    ctx.meta["prov.json"] = given


def chosen_format(ctx: click.Context, param: click.Parameter, name: str) -> formats.Format | None:
    """Return the format of a command, and keep it in click's context for errors."""
    if ctx.resilient_parsing:
        return None
    out = formats.find("json" if ctx.meta.get("prov.json") else name)
    if isinstance(ctx.obj, Invocation):
        ctx.obj.out = out
    return out


class Invocation:
    """State that click's contexts share in one run of prov. out: the command's format, once it is known."""

    def __init__(self) -> None:
        self.out: formats.Format | None = None


def limit_option(command: F) -> F:
    """--limit PATTERN, as Ansible's."""
    return click.option(
        "--limit",
        metavar="PATTERN",
        help="Only the hosts of TARGET that PATTERN matches too.",
        shell_complete=complete_target,
    )(command)


def forks_option(command: F) -> F:
    """--forks N; the default is what ansible.cfg of the project says, else 20."""
    return click.option(
        "--forks",
        type=click.IntRange(min=1),
        callback=given_forks,
        metavar="N",
        help="Hosts at the same time; by default `forks` of ansible.cfg, else 20. With 1, a deploy ends at the first"
        " host that fails.",
    )(command)


def given_forks(ctx: click.Context, param: click.Parameter, given: int | None) -> int:
    """Return the number of hosts at a time. Raises ConfigError if the project's settings can't be read."""
    if given is not None or ctx.resilient_parsing:
        return given or FORKS
    # imported here: completion must be quick
    from provision.inventory.inventory_files import project_settings

    return project_settings(Path.cwd()).cfg.forks or FORKS


def several_hosts(command: F) -> F:
    """TARGET, -i, --limit and --forks as `scope`, and --format: for every command that works on hosts in
    parallel."""
    return target_argument(on_several(command))


def several_hosts_unless_saved(command: F) -> F:
    """Like `several_hosts`, for a command that may read its hosts from a file: a missing TARGET is ""."""
    return target_argument(on_several(command), required=False)


def on_several(command: F) -> F:
    """-i, --limit, --forks and --format."""
    command = gathered(command, "scope", Scope)
    for option in (format_option, forks_option, limit_option, inventory_option):
        command = option(command)
    return command


def gathered(command: F, name: str, kind: type[Any]) -> F:
    """Pass options to a command as one value. name: its parameter. kind: the value's class."""
    options = [field.name for field in fields(kind)]

    @functools.wraps(command)
    def call(**given: Any) -> Any:
        value = kind(**{option: given.pop(option) for option in options})
        return command(**{name: value}, **given)

    return cast(F, call)


def target_argument(command: F, *, required: bool = True) -> F:
    """TARGET: hosts, groups, globs."""
    # click treats None as a default
    default: dict[str, Any] = {} if required else {"default": ""}
    return click.argument("target", required=required, shell_complete=complete_target, **default)(command)


def words(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
    """Split values of a repeatable option at commas, as Ansible's users write them."""
    return tuple(word for value in given for word in value.split(",") if word)


def role_part(command: F) -> F:
    """Options that choose a part of the hosts' roles, as `part`."""
    command = gathered(command, "part", RolePart)
    options = (
        click.option(
            "--role",
            "roles",
            multiple=True,
            metavar="NAME",
            help="Only this role; may be repeated.",
            shell_complete=complete_roles,
        ),
        click.option(
            "--tags", multiple=True, metavar="TAGS", callback=words, help="Only tasks with one of these tags."
        ),
        click.option(
            "--skip-tags",
            multiple=True,
            metavar="TAGS",
            callback=words,
            help="Without tasks with these tags.",
        ),
        click.option(
            "--start-at",
            default="",
            metavar="ROLE",
            help="Leave out the roles before this one.",
            shell_complete=complete_roles,
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def role_options(command: F) -> F:
    """The remaining options of deploy and plan: which part, how much to show."""
    options = (
        click.option(
            "--prune",
            is_flag=True,
            help="Remove what earlier runs made and nothing declares any more; only with all roles.",
        ),
        click.option(
            "--list-steps", is_flag=True, help="Only list roles, tasks and steps; connects to no host."
        ),
        click.option(
            "--diff/--no-diff",
            default=None,
            help="Show whole differences, or none. By default, the middle of long ones is left out.",
        ),
        click.option(
            "-v", "--verbose", is_flag=True, help="Show unchanged steps too, with the reason and the time."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return role_part(command)
