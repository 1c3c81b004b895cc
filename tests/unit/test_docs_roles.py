"""What there is, is in the docs: roles with their parameters and tasks, steps with theirs, options of commands."""

from __future__ import annotations

import importlib.util
import inspect
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

import pytest

from provision.roles import docs
from provision.roles import role_model as roles

TOP = Path(__file__).parents[2]
NAMES = roles.names([roles.BUILTIN])


def section(page: str, title: str) -> str:
    """The part of a page below a title."""
    found = re.search(rf"^(#+) {re.escape(title)}$(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no section {title}"
    return found.group(2)


def generated() -> ModuleType:
    """docs/generate.py, which is not part of a package."""
    spec = importlib.util.spec_from_file_location("generate", TOP / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_type_is_told_without_the_checks_of_its_values() -> None:
    assert docs.readable("Annotated[str, AfterValidator(word)]") == "str"
    assert (
        docs.readable("tuple[Annotated[str, matching('[0-9]{64}', 'a (short) sum')], ...]") == "list of str"
    )


def read(name: str) -> str:
    return (TOP / "docs" / name).read_text(encoding="utf-8")


def test_the_references_are_what_the_docstrings_say() -> None:
    pages = generated()
    for name, page in (("steps.md", pages.page()), ("builtin-roles.md", pages.roles_page())):
        assert read(name) == page, "run: python docs/generate.py"
    for name, with_table in (("servers.md", pages.servers_page), ("platforms.md", pages.platforms_page)):
        assert read(name) == with_table(read(name)), "run: python docs/generate.py"


@pytest.mark.parametrize("name", NAMES)
def test_every_role_is_documented(name: str) -> None:
    role = roles.find(name, [roles.BUILTIN])
    assert role is not None and role.doc
    text = section(generated().roles_page(), name)
    assert all(f"`{name}.{f.__name__}`: {inspect.getdoc(f) or '?'}"[:40] in text for f in role.tasks)
    for parameter in role.params.model_fields if role.params else ():
        assert re.search(rf"^\| `{parameter}` \| `.+` \| .+ \| \w.+ \|$", text, re.MULTILINE), parameter


def test_every_step_is_documented() -> None:
    pages = generated()
    text = pages.page()
    known = [(m.__name__.rsplit(".", 1)[-1], *entry) for m in pages.modules() for entry in pages.steps_of(m)]
    assert len(known) > 80
    for module, name, target in known:
        about = section(text, f"{module}.{name}")
        if inspect.isclass(target) and is_dataclass(target):
            own = [f.name for f in fields(target) if f.name not in pages.COMMON]
            assert [word for word in own if not re.search(rf"\b{word}\b", about)] == [], (module, name)
    for option in pages.COMMON:
        assert f"`{option}`" in pages.HEAD, option


def test_every_page_is_linked() -> None:
    """From another page or the README, so that people find it."""
    texts = {p.name: p.read_text(encoding="utf-8") for p in (*TOP.glob("*.md"), *(TOP / "docs").glob("*.md"))}
    for page in set((TOP / "docs").glob("*.md")) - {TOP / "docs/index.md"}:  # where the site begins
        others = "".join(text for name, text in texts.items() if name != page.name)
        assert page.name in others, page.name


@pytest.mark.parametrize("page", ["roles.md", "own-steps.md"])
def test_python_in_the_docs_is_python(page: str) -> None:
    found = re.findall(r"^```python\n(.*?)^```$", read(page), re.MULTILINE | re.DOTALL)
    assert found
    for text in found:
        compile(text, page, "exec")
