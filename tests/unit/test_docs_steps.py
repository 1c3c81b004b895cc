"""docs/steps.md and docs/ansible.md name steps, arguments and options as they are."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

TOP = Path(__file__).parents[2]

#: options of modules that are in collections, not in ansible-core, as far as the page names them
IN_COLLECTIONS = {
    "authorized_key": {"exclusive", "key_options", "path"},
    "ini_file": {"exclusive", "allow_no_value", "values"},
    "postgresql_user": {"role_attr_flags", "conn_limit", "expires", "state"},
    "postgresql_db": {"conn_limit"},
    "postgresql_privs": {"objs"},
}
#: words that are neither: roles, files, values of arguments, settings of other programs
WORDS = {"search_path", "deny", "if", "for", "try"}


def generated() -> ModuleType:
    """docs/generate.py, which is not part of a package."""
    spec = importlib.util.spec_from_file_location("generate", TOP / "docs/generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = generated()
#: "files.copy" -> its arguments
STEPS: dict[str, set[str]] = {
    f"{module.__name__.rsplit('.', 1)[-1]}.{name}": {*inspect.signature(target).parameters, *PAGES.COMMON}
    - {"c"}
    for module in PAGES.modules()
    for name, target in PAGES.steps_of(module)
}


def rows() -> list[tuple[str, str, str]]:
    """Modules, steps and differences, of each row of the page's table."""
    lines = (TOP / "docs/ansible.md").read_text(encoding="utf-8").splitlines()
    table = lines[lines.index("| Module | Step | What differs |") + 2 :]
    table = table[: table.index("")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table]
    return [(modules, steps, differs) for modules, steps, differs in cells]


def options(module: str) -> set[str]:
    """The options of a module of ansible-core, as its documentation says, and those of a collection named here."""
    at = importlib.util.find_spec("ansible")
    assert at is not None and at.submodule_search_locations
    path = Path(at.submodule_search_locations[0]) / "modules" / f"{module}.py"
    if not path.exists():
        return IN_COLLECTIONS.get(module, set())
    found = re.search(
        r"^DOCUMENTATION = r?(\"{3}|'{3})(.*?)\1", path.read_text(encoding="utf-8"), re.M | re.S
    )
    assert found, module
    documented: dict[str, Any] = yaml.safe_load(found.group(2))
    given = documented.get("options", {})
    aliases = {alias for about in given.values() for alias in about.get("aliases", ())}
    # what modules for files share
    shared = (
        {"mode", "owner", "group"}
        if "files" in documented.get("extends_documentation_fragment", ())
        else set()
    )
    return {*given, *aliases, *shared}


def words(cell: str) -> list[str]:
    """What is written as code."""
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize(
    ("modules", "steps", "differs"), [pytest.param(*row, id=row[0].strip()) for row in rows()]
)
def test_a_row_names_what_there_is(modules: str, steps: str, differs: str) -> None:
    named = [word for word in words(steps) if re.fullmatch(r"[a-z_]+\.[a-z_]+", word)]
    assert named or "Python" in steps
    assert [word for word in named if word not in STEPS] == [], "no such step"
    arguments = {argument for word in named for argument in STEPS[word]}
    arguments |= {option for module in words(modules) for option in options(module)}
    for word in words(differs):
        found = re.fullmatch(r"([a-z_]+)(=.*|: .*)?", word)
        if found and "." not in word:
            known = found.group(1) in {*arguments, *words(modules), *WORDS}
            assert known, f"{word} is not an argument of {named}, and no option of {modules}"
        elif re.fullmatch(r"[a-z_]+\.[a-z_]+", word):
            assert word in STEPS, f"there is no step {word}"


def test_the_page_has_the_modules_that_people_use() -> None:
    assert len([module for modules, _, _ in rows() for module in words(modules)]) >= 60


@pytest.mark.parametrize("name", STEPS)
def test_what_is_said_of_arguments_is_said_of_those_that_there_are(name: str) -> None:
    page = (TOP / "docs/steps.md").read_text(encoding="utf-8")
    section = page.partition(f"\n### {name}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    assert section, "it is not on the page"
    call, _, about = section.partition("```python")[2].partition("```")
    listed = {word for line in re.findall(r"(?m)^- `([\w, ]+)`:", about) for word in line.split(", ")} - {
        "Source"
    }
    assert listed <= STEPS[name], "documented, and no arguments"
    shown = set(re.findall(r"[(,]\s*\*{0,2}(\w+)(?==|[,)])", call))
    assert shown - {"c"} <= STEPS[name]
    silent = STEPS[name] - PAGES.COMMON - {"options", "common", "args"}
    assert [word for word in sorted(silent) if not re.search(rf"\b{word}\b", about)] == [], "not documented"
