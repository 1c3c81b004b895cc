"""Where roles are: the project's folder and the built-in one. It imports almost nothing, for completion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

#: in the wheel, a folder of the package; in a checkout, a link to roles/ at its top
BUILTIN = (Path(__file__).parents[1] / "builtin").resolve()


def search_path(project: Path | None = None) -> list[Path]:
    """Folders with roles: the project's own first, then the built-in ones."""
    own = (project or Path.cwd()) / "roles"
    return [own, BUILTIN] if own.is_dir() and own.resolve() != BUILTIN else [BUILTIN]


def names(folders: Sequence[Path]) -> list[str]:
    """Names of all roles in the folders."""
    return sorted({p.parent.name for folder in folders for p in folder.glob("*/__init__.py")})
