"""Decide which tests are about a host of prov's."""

from __future__ import annotations

from pathlib import Path

import pytest

#: pytest-testinfra's fixture that provides its own hosts
TESTINFRAS = "_testinfra_host"


def is_ours(config: pytest.Config, path: Path) -> bool:
    """Return whether the tests of a file are about a host of prov's.

    Those of roles are, and all are if the user names a host.
    """
    named = config.getoption("prov_trial") or config.getoption("prov_host")
    return bool(named) or role_of(path) != ""


def role_of(path: Path) -> str:
    """Return the role that a test file belongs to: roles/NAME/tests/...; "" for other files."""
    for folder in path.parents:
        role = folder.parent
        if folder.name == "tests" and (role / "__init__.py").is_file():
            return role.name if role.parent.name in ("roles", "builtin") else ""
    return ""


def project_of_steps(path: Path) -> Path | None:
    """Return the project whose steps a file tests: PROJECT/steps/tests/...; None for other files."""
    for folder in path.parents:
        if folder.name == "tests" and folder.parent.name == "steps":
            return folder.parent.parent
    return None
