"""Finds the folder of a project that its own modules are imported from: "backend" for backend/app/main.py.

A repository holds more than one thing, and its modules say themselves where they start: by what they import.
"""

from __future__ import annotations

import ast
import posixpath
import sys
from collections.abc import Iterator

from provision.apps.project_files import ProjectFiles

#: what a folder has that is a project of its own, and that commands run in
PROJECT_FILES = ("pyproject.toml", "setup.py", "requirements.txt", "alembic.ini", "Dockerfile")
#: most modules to look into, beside the one that is served
MOST_MODULES = 50


def import_root(files: ProjectFiles, path: str) -> str:
    """Return the folder that a module and its neighbours are imported from; "" for the source itself.

    Without imports that tell, that is `src` if it is in there, or the source.
    path: of the module, below the source.
    """
    package = posixpath.dirname(path)
    near = [each for each in files.modules if each.startswith(f"{package}/")] if package else []
    for modules in ([path], near[:MOST_MODULES]):
        names = {name for module in modules for name in imported(files.tree(module))}
        counts = {folder: len(names & own_names(files, folder)) for folder in folders_above(path)}
        if any(counts.values()):
            # the first of several is nearest to the top
            return max(counts, key=lambda folder: counts[folder])
    return "src" if path.startswith("src/") else ""


def is_project(files: ProjectFiles, folder: str) -> bool:
    """Return whether a folder of the source is a project of its own."""
    return any(posixpath.join(folder, name) in files.paths for name in PROJECT_FILES)


def folders_above(path: str) -> list[str]:
    """Return the folders above a path, from the source itself: "", "backend", "backend/app"."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level names that a module imports absolutely, other than those of the standard library."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found = [node.module]
        else:
            continue
        yield from {name.partition(".")[0] for name in found} - sys.stdlib_module_names


def own_names(files: ProjectFiles, folder: str) -> set[str]:
    """Return the names of the modules and packages of Python in a folder."""
    start = f"{folder}/" if folder else ""
    below = (path[len(start) :] for path in files.paths if path.startswith(start) and path.endswith(".py"))
    return {path.partition("/")[0].removesuffix(".py") for path in below}
