"""prov new role: a role to start from."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import click

from provision.cli.options import json_option
from provision.cli.skeleton import SKELETON, copy, tell
from provision.commands.lab import NearestNames
from provision.errors import UsageError
from provision.report.screen import say
from provision.roles.folders import BUILTIN

#: the role in the skeleton, that new ones are copies of
MODEL = "hello"


@click.group(cls=NearestNames, epilog="Example:  prov new role memcached")
def new() -> None:
    """Add a role to the project."""


@new.command(epilog="Example:  prov new role memcached")
@click.argument("name")
@json_option
def role(name: str, as_json: bool) -> None:
    """Add a role with parameters, a template and a test, in roles/NAME."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r} is no name for a role: use a-z, 0-9 and _, as for a module of Python")
    if (Path("roles") / name).exists():
        raise UsageError(f"roles/{name} is there already")
    if (BUILTIN / name).is_dir():
        say(
            f"There is a built-in role {name}; the new one takes its place in this project."
            " To build on it instead: EXTENDS, see docs/roles.md.",
            err=True,
        )
    made = []
    for path in sorted((SKELETON / "roles").rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            made.append(Path(renamed(path.relative_to(SKELETON).as_posix(), name)))
            copy(path, made[-1], lambda text: renamed(text, name))
    tell(made, f"prov roles {name}, and list it in the inventory:  roles: [{name}]", as_json=as_json)


def renamed(text: str, name: str) -> str:
    """A text about the skeleton's role as one about another."""
    cls = "".join(word.capitalize() for word in name.split("_"))
    # its class, not the word that it greets with
    text = re.sub(rf"(?<=class ){MODEL.capitalize()}\b|(?<=p: ){MODEL.capitalize()}\b", cls, text)
    return re.sub(rf"(?<![a-z]){MODEL}\b|(?<=_){MODEL}(?=_)", name, text)
