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
