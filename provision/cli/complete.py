"""Completion of hosts, groups and roles. It must be quick: no SSH library, no pydantic."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

from provision.errors import ProvError


def complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Hosts and groups; within a list, for its last word."""
    from provision.inventory import load

    try:
        inventory = load(ctx.params.get("inventory") or None)
    except ProvError:
        # the command itself reports it when it runs; a completion can show no error
        return []
    words = incomplete.rstrip("*").replace("!", ",").replace("&", ",").split(",")
    before = incomplete[: len(incomplete) - len(words[-1])] if not incomplete.endswith("*") else ""
    return offered([*inventory.hosts, *inventory.groups], words[-1], before)


def complete_roles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The project's roles and the built-in ones."""
    from provision.declared.role_folders import names, search_path

    return offered(names(search_path()), incomplete)


def complete_lab_hosts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Hosts that the lab has."""
    from provision import lab

    return offered([host.name for host in lab.hosts()], incomplete)


def offered(names: Iterable[str], incomplete: str, before: str = "") -> list[CompletionItem]:
    """The names that begin with what was typed. before: text in front of the name."""
    return [CompletionItem(before + name) for name in dict.fromkeys(names) if name.startswith(incomplete)]
