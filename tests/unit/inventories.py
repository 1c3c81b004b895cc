"""Help for the tests of inventories: projects on disk, and the errors of a call as lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from provision.errors import ConfigError, ConfigErrors
from provision.inventory import Inventory, InventoryHost, load


def project(folder: Path, files: dict[str, str]) -> Path:
    """Write a project's files, dedented, into the folder."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"))
    return folder


def inventory(folder: Path, text: str) -> Inventory:
    """The inventory of one YAML file, called inv.yml."""
    return load(["inv.yml"], cwd=project(folder, {"inv.yml": text}))


def host(folder: Path, variables: str) -> InventoryHost:
    """The host web1 with these variables, given as the lines of a YAML mapping; the first is line 4."""
    lines = [f"      {line}" for line in dedent(variables).strip("\n").splitlines()]
    return inventory(folder, "\n".join(["all:", "  hosts:", "    web1:", *lines])).hosts["web1"]


def errors(call: Callable[[], Any]) -> list[str]:
    """The configuration errors that a call raises, as a person reads them."""
    with pytest.raises(ConfigError) as caught:
        call()
    error = caught.value
    return [str(e) for e in (error.errors if isinstance(error, ConfigErrors) else [error])]


def no_roles(name: str) -> Any:
    """Takes the place of what finds the roles that applications use, where none uses any."""
    raise AssertionError(name)
