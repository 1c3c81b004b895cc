"""Finds the environment variables that an application cannot start without, by reading its Python files."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from provision.apps.project_reading import ProjectFiles

#: variables that every process has
USUAL_VARIABLES = {"HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TMPDIR", "USER"}
#: functions of django-environ, environs and python-decouple that fail without the variable, unless given a default
READERS = ("env", "config")


def required_variables(files: ProjectFiles, paths: Iterable[str]) -> dict[str, str]:
    """Return the variables that these files read without a default, and the first file that reads each.

    Only what a module does when it is imported counts, and factories: `create_app` runs at the start, too.
    """
    found: dict[str, str] = {}
    for path in paths:
        for node in ast.walk(files.tree(path)):
            for name in asked_in(node):
                found.setdefault(name, path)
    return {name: path for name, path in found.items() if name not in USUAL_VARIABLES}


def asked_in(node: ast.AST) -> Iterator[str]:
    """Yield the variable of `os.environ["X"]`, `env("X")`, `env.list("X")` or `config("X")`."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        named, key = node.value, node.slice
        is_environment = name_of(named) == "environ"
    elif isinstance(node, ast.Call) and len(node.args) == 1:
        reader = node.func
        # env.list, env.db; but not env.get, nor app.config
        inner = reader.value if isinstance(reader, ast.Attribute) and reader.attr != "get" else reader
        key = node.args[0]
        defaults = any(keyword.arg in (None, "default") for keyword in node.keywords)
        is_environment = isinstance(inner, ast.Name) and inner.id in READERS and not defaults
    else:
        return
    if (
        is_environment
        and isinstance(key, ast.Constant)
        and isinstance(key.value, str)
        and key.value.isupper()
    ):
        yield key.value


def name_of(node: ast.expr) -> str:
    """Return the last name of an expression: "environ" of os.environ."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
