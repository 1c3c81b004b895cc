"""docs/security.md: what prov withstands, by kind and case, with the tests that show it and how they ended last.

The kinds are those of SECURITY.md. A test says what it shows by `@pytest.mark.trust("4", "case-name")`.
`python -m helpers.securitypage` writes the page from the results that tests/conftest.py keeps.
"""

from __future__ import annotations

import ast
import datetime
import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/security.md"
RESULTS = ROOT / ".pytest_cache/v/trust/results"

KINDS = {
    "1": "Sources are hostile",
    "2": "Dependencies are code of strangers",
    "3": "Clients are hostile",
    "4": "Users of the host are hostile",
    "5": "Values are hostile",
    "6": "Secrets are known by their type",
    "7": "Hosts are hostile or broken",
    "8": "Runs die, and run side by side",
    "9": "What goes is taken away in order, and only what is prov's",
    "10": "An existing person is not an application",
    "11": "Words, names and locales",
}
HEAD = """\
# What prov withstands, and which test shows it

SECURITY.md, at the top of the repository, says what prov trusts, and with what. This page lists the tests of that.
The tests write it: run `make test`, then `make security-page`. Do not edit it.
"""


@dataclass(frozen=True, order=True)
class Shown:
    """One test of a case. kind: its number.  test: "tests/unit/test_x.py::test_y"."""

    kind: str
    case: str
    test: str


def marked(root: Path = ROOT) -> list[Shown]:
    """Every marked test below tests/, in the page's order. Raises ValueError for a mark that can't be read."""
    found = [shown for path in sorted((root / "tests").rglob("test_*.py")) for shown in marks_of(path, root)]
    return sorted(found, key=lambda shown: (int(shown.kind), shown.case, shown.test))


def marks_of(path: Path, root: Path = ROOT) -> Iterator[Shown]:
    """The marks of a file: on its tests, on classes, and in `pytestmark`, which counts for all tests of the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    _refuse_other_names(tree, path)
    name = path.relative_to(root).as_posix()
    of_file = [
        mark
        for statement in tree.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark"
        for mark in _marks(statement.value)
    ]
    for node in tree.body:
        tests = [node] if isinstance(node, ast.FunctionDef) else []
        of_class: list[tuple[str, str]] = []
        if isinstance(node, ast.ClassDef):
            of_class = [mark for decorator in node.decorator_list for mark in _marks(decorator)]
            tests = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
        for test in tests:
            if test.name.startswith("test_"):
                own = [mark for decorator in test.decorator_list for mark in _marks(decorator)]
                for kind, case in [*of_file, *of_class, *own]:
                    yield Shown(kind, case, f"{name}::{test.name}")


def _refuse_other_names(tree: ast.Module, path: Path) -> None:
    """Raise ValueError if a file gives the mark a shorter name, under which no one would find it here."""
    called = {id(call.func) for call in ast.walk(tree) if isinstance(call, ast.Call)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and id(node) not in called
            and ast.unparse(node) == "pytest.mark.trust"
        ):
            raise ValueError(f"{path}:{node.lineno}: write pytest.mark.trust(...) at each test")


def _marks(node: ast.expr) -> Iterator[tuple[str, str]]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.trust":
            if not all(isinstance(given, ast.Constant) for given in call.args) or len(call.args) != 2:
                raise ValueError(f"line {call.lineno}: the arguments of mark.trust must be two literal texts")
            kind, case = (str(ast.literal_eval(given)) for given in call.args)
            if kind not in KINDS:
                raise ValueError(f"line {call.lineno}: {kind!r} is not the number of a kind")
            yield kind, case


def page(shown: Sequence[Shown], results: Mapping[str, Sequence[str]], day: str) -> str:
    """The text of the page. results: what became of each test's cases, by its name; without any it is "not run"."""
    parts = [HEAD]
    for kind, title in KINDS.items():
        rows = [one for one in shown if one.kind == kind]
        if rows:
            table = [
                f"| {one.case} | `{one.test}` | {said(one.test, results.get(one.test, ()))} |" for one in rows
            ]
            parts.append(
                "\n".join([f"## {kind}. {title}", "", "| case | test | result |", "|---|---|---|", *table])
            )
    parts.append(f"Python {platform.python_version()}, {day}.")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def said(test: str, outcomes: Sequence[str]) -> str:
    """ "passed", "passed (12)" for as many sets of parameters, or what else became of them."""
    if not outcomes:
        return "by `make prove`" if test.startswith("tests/prove/") else "not run"
    bad = [outcome for outcome in outcomes if outcome != "passed"]
    if bad:
        return f"**{bad[0]}** ({len(bad)} of {len(outcomes)})"
    return "passed" if len(outcomes) == 1 else f"passed ({len(outcomes)})"


def rows_of(text: str) -> list[tuple[str, str, str]]:
    """(kind, case, test) of each line of a page's tables."""
    found, kind = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            kind = line[3:].partition(".")[0]
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 3 and cells[1].startswith("`tests/"):
            found.append((kind, cells[0], cells[1].strip("`")))
    return found


def results_of(text: str) -> dict[str, list[str]]:
    """What a page says of tests that passed, as `page` takes it; the others have to run again."""
    found = {}
    for line in text.splitlines():
        if read := re.fullmatch(r"\| .* \| `(tests/\S+)` \| passed(?: \((\d+)\))? \|", line):
            found[read[1]] = ["passed"] * int(read[2] or 1)
    return found


def main() -> None:
    """Write the page. A test that has not run since keeps the result that the page has of it."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    before = results_of(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    PAGE.write_text(page(marked(), {**before, **results}, today), encoding="utf-8")


if __name__ == "__main__":
    main()
