"""docs/steps.md and docs/ansible.md name steps, arguments and options as they are."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

TOP = Path(__file__).parents[2]

#: options of modules that are in collections, as far as the page names them
IN_COLLECTIONS: dict[str, set[str]] = {
    module.rsplit(".", 1)[-1]: set(options)
    for module, options in yaml.safe_load(
        (TOP / "tests/lab/like_ansible/options.yml").read_text(encoding="utf-8")
    ).items()
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


def head(word: str) -> str:
    """What a word is about: "state" of "state: absent", "latest" of "latest=True"."""
    found = re.fullmatch(r"([a-z_]+)(=.*|: .*)?", word)
    return found.group(1) if found else ""


def renamed(differs: str) -> Iterator[tuple[str, str]]:
    """Pairs of ours and theirs: "`match` is `regexp`", "`a` and `b` are `c` and `d`", "`depth` the same"."""
    yield from re.findall(r"`([^`]+)` is `([^`]+)`", differs)
    for one, other, its, others in re.findall(
        r"`([^`]+)` and `([^`]+)` are `([^`]+)` and `([^`]+)`", differs
    ):
        yield from ((one, its), (other, others))
    for pair in re.findall(r"`([^`]+)`(?: and `([^`]+)`)? the same", differs):
        yield from ((word, word) for word in pair if word)


def faults(modules: str, steps: str, differs: str) -> list[str]:
    """What a row says that is not so."""
    named = [word for word in words(steps) if re.fullmatch(r"[a-z_]+\.[a-z_]+", word)]
    if not named:
        return [] if "Python" in steps else ["names no step"]
    found = [f"there is no step {word}" for word in named if word not in STEPS]
    arguments = {argument for word in named for argument in STEPS.get(word, ())}
    theirs = {option for module in words(modules) for option in options(module)}
    for word in words(differs):
        if re.fullmatch(r"[a-z_]+\.[a-z_]+", word):
            found += [] if word in STEPS else [f"there is no step {word}"]
        elif head(word) and head(word) not in {*arguments, *theirs, *words(modules), *WORDS}:
            found.append(f"{word} is not an argument of {named}, and not an option of {modules}")
    for mine, its in renamed(differs):
        if head(mine) and head(mine) not in arguments:
            found.append(f"{mine} is not an argument of {named}")
        if head(its) not in theirs:
            found.append(f"{its} is not an option of {modules}")
    return found


@pytest.mark.parametrize(
    ("modules", "steps", "differs"), [pytest.param(*row, id=row[0].strip()) for row in rows()]
)
def test_a_row_names_what_there_is(modules: str, steps: str, differs: str) -> None:
    assert faults(modules, steps, differs) == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (("`copy`", "`files.copies`", ""), "no step files.copies"),
        (("`copy`", "one", ""), "names no step"),
        (("`copy`", "`files.copy`", "See `files.copies`."), "no step files.copies"),
        (("`copy`", "`files.copy`", "With `remote`."), "remote is not an argument"),
        (("`lineinfile`", "`text.line`", "`regexp` is `match`."), "regexp is not an argument"),
        (("`lineinfile`", "`text.line`", "`match` is `regex_`."), "regex_ is not an option"),
        (
            ("`lineinfile`", "`text.line`", "`after` and `before` are `before` and `after`."),
            "is not an option",
        ),
        (("`lineinfile`", "`text.line`", "`match` the same."), "match is not an option"),
        (("`git`", "`git.checkout`", "`single_branch` the same."), "single_branch is not an argument"),
    ],
)
def test_what_is_not_so_is_found(row: tuple[str, str, str], fault: str) -> None:
    assert fault in "; ".join(faults(*row))


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
