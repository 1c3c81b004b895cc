"""What others import from prov, call it by, or ask its pytest plugin for: all of it is listed in public_api.txt."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from test_docs_roles import generated

from provision.cli.main import COMMANDS
from provision.system.host import System
from provision.testing import hostfixture, plugin

LIST = Path(__file__).with_name("public_api.txt")
#: what authors of roles, steps, tests and fabfiles import from, besides the modules of steps
MODULES = (
    "provision",
    "provision.role",
    "provision.server",
    "provision.testing",
    "provision.errors",
    "provision.secrets",
    "provision.cli.fab",
    "provision.steps.base",
    "provision.agent.system",  # a shim: where System was until 0.1
)


def exported(module: ModuleType) -> list[str]:
    """`__all__`, or else the classes and functions that the module defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


def fixtures(*modules: ModuleType) -> list[str]:
    """The names of the fixtures that modules of a plugin define."""
    marked = (value for module in modules for value in vars(module).values())
    return [
        value.name or value.__name__
        for value in marked
        if type(value).__name__ == "FixtureFunctionDefinition"
    ]


def options() -> list[str]:
    """The options that the plugin adds to pytest."""
    parser = pytest.Parser(_ispytest=True)
    plugin.pytest_addoption(parser)
    return [name for option in parser.getgroup("prov").options for name in option.names()]


def found() -> Iterator[tuple[str, list[str]]]:
    """(where, names) of everything public."""
    for name in MODULES:
        yield name, exported(importlib.import_module(name))
    pages = generated()
    for module in pages.modules():
        names = [step for step, _ in pages.steps_of(module)]
        if names:
            yield module.__name__, names
    yield "provision.system.host.System", [name for name in vars(System) if not name.startswith("_")]
    yield "fixtures", fixtures(plugin, hostfixture)
    yield "options of pytest", options()
    yield "commands", list(COMMANDS)


def test_the_public_api_is_what_the_list_says() -> None:
    now = [f"{where}: {' '.join(sorted(names))}".strip() for where, names in found()]
    listed = LIST.read_text(encoding="utf-8").splitlines()
    gone, new = sorted(set(listed) - set(now)), sorted(set(now) - set(listed))
    assert now == listed, (
        "The public API has changed. If that is meant, write it into tests/unit/public_api.txt, and into CHANGELOG.md"
        " if a name is gone.\n" + "\n".join([*(f"- {line}" for line in gone), *(f"+ {line}" for line in new)])
    )


def test_what_the_docs_import_is_in_the_list() -> None:
    """A page that shows an import promises it."""
    listed = dict(line.split(":", 1) for line in LIST.read_text(encoding="utf-8").splitlines())
    for page in sorted((LIST.parents[2] / "docs").glob("*.md")):
        for line in page.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] == ["from"] and len(words) > 3 and words[1] in listed:
                for name in " ".join(words[3:]).split(", "):
                    assert name in listed[words[1]].split(), f"{page.name}: {line}"
