"""The files of a project that an application may be in, as they are read for `prov init`."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path

from provision.values import dataclass

#: largest size of a file to look into, in bytes
MOST_TEXT = 1 << 20
#: folders of a source whose modules are not served
NOT_SERVED = {
    "tests",
    "test",
    "docs",
    "doc",
    "examples",
    "migrations",
    "versions",
    "scripts",
    "bin",
    "node_modules",
}


@dataclass(frozen=True)
class ProjectFiles:
    """The files of a folder, by path below it. folder: its place.  paths: the files for a release."""

    folder: Path
    paths: Sequence[str]
    _texts: dict[str, str] = field(default_factory=dict)
    _trees: dict[str, ast.Module] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """Return the contents of a file; "" if it is not text, or too large."""
        if path not in self._texts:
            file = self.folder / path
            whole = file.is_file() and not file.is_symlink() and file.stat().st_size <= MOST_TEXT
            self._texts[path] = file.read_bytes().decode(errors="replace") if whole else ""
        return self._texts[path]

    def named(self, name: str) -> list[str]:
        """Return paths of all files of that name, nearest to the top first."""
        found = [path for path in self.paths if posixpath.basename(path) == name]
        return sorted(found, key=lambda path: (path.count("/"), path))

    @cached_property
    def modules(self) -> list[str]:
        """Return paths of Python files that may belong to the application, nearest to the top first."""
        found = [
            path
            for path in self.paths
            if path.endswith(".py")
            and not NOT_SERVED & set(path.split("/"))
            and not re.match(r"(test_.*|tests|conftest|setup)\.py$", posixpath.basename(path))
        ]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def tree(self, path: str) -> ast.Module:
        """Return the syntax tree of a Python file; an empty one if this Python cannot parse it."""
        if path not in self._trees:
            try:
                self._trees[path] = ast.parse(self.text(path))
            except (SyntaxError, ValueError):
                self._trees[path] = ast.Module([], [])
        return self._trees[path]

    def mentions(self, pattern: str) -> str:
        """Return the first Python file that matches a regular expression; "" if none does."""
        return next((path for path in self.modules if re.search(pattern, self.text(path))), "")
