"""prov new: a role or a step to start from."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from pathlib import Path

import click

from provision.cli.nearest_names import NearestNames
from provision.cli.options import format_option
from provision.cli.skeleton import SKELETON, copy, tell
from provision.declared.role_folders import BUILTIN
from provision.errors import UsageError
from provision.report.formats import Format
from provision.report.screen import say

#: the role and the step in the skeleton that new ones are copied from
ROLE = "hello"
STEP = "line_in_file"


@click.group(cls=NearestNames, epilog="Example:  prov new role memcached")
def new() -> None:
    """Add a role or a step to the project."""


@new.command(epilog="Example:  prov new role memcached")
@click.argument("name")
@format_option
def role(name: str, out: Format) -> None:
    """Add a role with parameters, a template and a test, in roles/NAME."""
    check_name(name, "role")
    refuse_existing(Path("roles") / name)
    if (BUILTIN / name).is_dir():
        say(
            f"There is a built-in role {name}; the new one replaces it in this project."
            " To build on it instead, use EXTENDS: see docs/roles.md.",
            err=True,
        )
    made = copied("roles", lambda text: renamed_role(text, name))
    tell(made, f"prov roles {name}, and list it in the inventory:  roles: [{name}]", out)


@new.command(epilog="Example:  prov new step login_shell  &&  pytest steps")
@click.argument("name")
@format_option
def step(name: str, out: Format) -> None:
    """Add a step in steps/NAME.py, and a test that needs no host.

    The test runs with pytest in less than a second, as any user.
    """
    check_name(name, "step")
    if name == "tests":
        raise UsageError("a step cannot be called 'tests': steps/tests has the tests of steps")
    refuse_existing(Path("steps") / f"{name}.py")
    refuse_existing(Path("steps") / name)
    refuse_existing(Path("steps/tests") / f"test_{name}.py")
    made = copied("steps", lambda text: renamed_step(text, name))
    tell(made, f"pytest steps, and call it in a role:  from steps.{name} import {name}", out)


def check_name(name: str, kind: str) -> None:
    """Raise UsageError unless the name is valid for a Python module."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot be the name of a {kind}: use a-z, 0-9 and _, as for a module of Python"
        )


def refuse_existing(path: Path) -> None:
    """Raise UsageError if the path exists."""
    if path.exists():
        raise UsageError(f"{path} already exists")


def copied(folder: str, renamed: Callable[[str], str]) -> list[Path]:
    """Copy a folder of the skeleton into the project, with names and texts renamed; return the files made."""
    made = []
    for path in sorted((SKELETON / folder).rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            made.append(Path(renamed(path.relative_to(SKELETON).as_posix())))
            copy(path, made[-1], renamed)
    return made


def renamed_role(text: str, name: str) -> str:
    """Return a text with the skeleton's role renamed."""
    # its class, not the greeting's "Hello"
    text = re.sub(rf"(?<=class ){ROLE.capitalize()}\b|(?<=p: ){ROLE.capitalize()}\b", class_name(name), text)
    return re.sub(rf"(?<![a-z]){ROLE}\b|(?<=_){ROLE}(?=_)", name, text)


def renamed_step(text: str, name: str) -> str:
    """Return a text with the skeleton's step renamed."""
    return text.replace(class_name(STEP), class_name(name)).replace(STEP, name)


def class_name(name: str) -> str:
    """Return the class name for a module: "LoginShell" for "login_shell"."""
    return "".join(word.capitalize() for word in name.split("_"))
