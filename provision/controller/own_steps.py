"""Check a project's own step module before it travels to a host."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from provision.errors import ConfigError

#: the oldest Python version on hosts
OLDEST = (3, 8)
#: modules that a step module finds on the host besides the standard library
TRAVELS = (
    "provision.agent",
    "provision.errors",
    "provision.secrets",
    "provision.steps",
    "provision.system",
    "steps",
)
HINT = "A step runs on the host: it has the standard library, provision.steps, provision.errors and steps."


def check_own(path: Path, text: str) -> None:
    """Raise ConfigError, with file and line, if hosts could not import this module."""
    try:
        tree = ast.parse(text, feature_version=OLDEST)
    except SyntaxError as error:
        raise ConfigError(
            f"{error.msg}, for Python 3.8",
            where=f"{path}:{error.lineno}",
            hint="Hosts may have Python 3.8 to 3.14; a step has to suit all of them.",
        ) from None
    for node in tree.body:
        for name in imported(node):
            words = name.split(".")
            if isinstance(node, ast.ImportFrom) and node.level:
                message = "imports relatively: write `from steps.NAME import ...`"
            elif isinstance(node, ast.Import) and words[0] in ("provision", "steps"):
                message = f"imports {name} whole: write `from {name} import ...`"
            elif words[0] in sys.stdlib_module_names or name.startswith(TRAVELS):
                continue
            else:
                message = f"imports {name}, which hosts do not have"
            raise ConfigError(message, where=f"{path}:{node.lineno}", hint=HINT)


def imported(node: ast.stmt) -> Iterator[str]:
    """Return the modules that a statement imports on a host.

    Functions and type checkers' imports do not count.
    """
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
