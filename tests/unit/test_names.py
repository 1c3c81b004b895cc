"""Names say what they stand for, and each stands for one thing (docs/glossary.md)."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import provision
from provision.steps.base import Step

ROOT = Path(provision.__file__).parent
#: modules of prov and of the built-in roles, without tests of roles and the programs that roles put on hosts
FILES = sorted(
    path
    for folder in (ROOT, ROOT.parent / "roles")
    for path in folder.rglob("*.py")
    if not {"builtin", "skeleton", "tests", "files"} & set(path.relative_to(folder).parts)
    and path.name != "conftest.py"
)
#: in place of the class itself, for authors of roles, until someone needs it
STAND_IN = ("provision.role", "Host")
#: participles and adverbs that say nothing of what they name
RIDDLES = {
    "ahead", "anew", "awaited", "comeback", "early", "fed", "kept", "told", "unmocked", "unheard", "untold",
}  # fmt: skip


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def classes() -> dict[str, list[str]]:
    """Modules by the names of the classes that they define."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef) and (module_of(path), node.name) != STAND_IN:
                found[node.name].append(module_of(path))
    return found


def is_of_its_function(module: str, name: str) -> bool:
    """Return whether a class is a step that is named as the public function for it: `apt.packages`, `dnf.packages`."""
    found = importlib.import_module(module)
    function = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return issubclass(getattr(found, name), Step) and callable(getattr(found, function, None))


def test_a_class_has_a_name_of_its_own() -> None:
    """Two steps may share one: what users call in their modules is the same word, and the module says of what."""
    twice = {name: modules for name, modules in classes().items() if len(modules) > 1}
    assert [
        (name, modules)
        for name, modules in twice.items()
        if not all(is_of_its_function(module, name) for module in modules)
    ] == []


def defined(path: Path) -> Iterator[tuple[str, int]]:
    """(name, line) of all that a file gives a name: itself, classes, functions, arguments, fields, variables."""
    yield path.stem, 1
    for node in nodes(path):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno


def words(name: str) -> set[str]:
    """Words of a name, in small letters."""
    return {*re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_name_is_a_riddle(path: Path) -> None:
    for name, line in defined(path):
        assert not words(name) & RIDDLES, f"{path}:{line} calls something {name!r}; say what it is"
