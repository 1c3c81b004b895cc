"""Which tests are about a host of prov's."""

from __future__ import annotations

from pathlib import Path

import pytest

#: the fixture of pytest-testinfra that has its own hosts
TESTINFRAS = "_testinfra_host"


def is_ours(config: pytest.Config, path: Path) -> bool:
    """Whether the tests of a file are about a host of prov's: a role's are, and all if one was named."""
    named = config.getoption("prov_trial") or config.getoption("prov_host")
    return bool(named) or role_of(path) != ""


def role_of(path: Path) -> str:
    """The role whose tests a file is among: roles/NAME/tests/...; "" if it is among none's."""
    for folder in path.parents:
        role = folder.parent
        if folder.name == "tests" and (role / "__init__.py").is_file():
            return role.name if role.parent.name in ("roles", "builtin") else ""
    return ""


def project_of_steps(path: Path) -> Path | None:
    """The project whose steps a file tests: PROJECT/steps/tests/...; None if it tests something else."""
    for folder in path.parents:
        if folder.name == "tests" and folder.parent.name == "steps":
            return folder.parent.parent
    return None
