"""The options that say where the passwords of vaults come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from provision.vault.given import COMMAND_LINE

F = TypeVar("F", bound=Callable[..., Any])


def vault_options(command: F) -> F:
    """--vault-id, --vault-password-file and --ask-vault-pass, as Ansible's.

    They are kept in COMMAND_LINE: whatever reads the inventory finds them there.
    """
    for option in (
        click.option(
            "--ask-vault-pass",
            "--ask-vault-password",
            "-J",
            "vault_ask",
            is_flag=True,
            expose_value=False,
            callback=note_ask,
            help="Ask for the password of Ansible vaults.",
        ),
        click.option(
            "--vault-password-file",
            "--vault-pass-file",
            "vault_files",
            multiple=True,
            expose_value=False,
            callback=note_files,
            metavar="FILE",
            help="File with the password of Ansible vaults, or a program that prints it; may be repeated.",
        ),
        click.option(
            "--vault-id",
            "vault_ids",
            multiple=True,
            expose_value=False,
            callback=note_ids,
            metavar="ID@SOURCE",
            help="Password of the vaults of this id. SOURCE is a file, a program, or prompt; may be repeated.",
        ),
    ):
        command = option(command)
    return command


def note_ids(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> None:
    """Keep the values of --vault-id."""
    COMMAND_LINE.ids = list(given)


def note_files(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> None:
    """Keep the values of --vault-password-file."""
    COMMAND_LINE.files = list(given)


def note_ask(ctx: click.Context, param: click.Parameter, given: bool) -> None:
    """Keep whether --ask-vault-pass is given."""
    COMMAND_LINE.ask = given
