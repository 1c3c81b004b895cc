"""What there is, is in the docs: roles with their parameters, and steps."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from provision import roles

TOP = Path(__file__).parents[2]
TEXT = (TOP / "docs" / "roles.md").read_text(encoding="utf-8")
NAMES = roles.names([roles.BUILTIN])


def section(name: str) -> str:
    """The part of the page about a role."""
    found = re.search(rf"^### {name}$(.*?)^##", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/roles.md has no section on the role {name}"
    return found.group(1)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_a_role_is_documented(name: str) -> None:
    role = roles.find(name, [roles.BUILTIN])
    assert role is not None
    assert role.doc
    text = section(name)
    known = role.params.model_fields if role.params else {}
    assert [parameter for parameter in known if f"`{parameter}`" not in text] == []


def generated() -> ModuleType:
    """docs/generate.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("generate", TOP / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_of_steps_is_what_the_docstrings_say() -> None:
    page = generated().page()
    assert (TOP / "docs" / "steps.md").read_text(encoding="utf-8") == page, "run: python docs/generate.py"
    assert page.count("\n### ") > 25
