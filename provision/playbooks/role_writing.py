"""A role that does what a playbook does."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path

from provision.playbooks.copied_files import CopiedFiles
from provision.playbooks.playbook_reading import Section, sections
from provision.playbooks.playbook_scope import PlaybookScope
from provision.playbooks.python_layout import WIDTH, identifier, laid_out
from provision.playbooks.task_shapes import Lines, one_line
from provision.playbooks.task_writing import Count, TaskWriter
from provision.values import dataclass

#: name in the role -> the line that imports it
IMPORTS = {
    "Any": "from typing import Any",
    "Path": "from pathlib import Path",
    "PurePosixPath": "from pathlib import PurePosixPath",
    "json": "import json",
    "os": "import os",
    "re": "import re",
    "shlex": "import shlex",
    "ProvError": "from provision.errors import ProvError",
}
OF_ROLE = ("Host", "Outcome", "StepFailed", "joined", "task")
ASSIGNED = re.compile(r"(\w+)(?:: Any)? = (.*)", re.DOTALL)


@dataclass(frozen=True)
class WrittenRole:
    """A role that was made of a playbook. files: path in the role -> contents."""

    files: dict[str, bytes]
    count: Count

    @property
    def carried(self) -> int:
        """Return how many tasks were carried over."""
        return len(self.count.tasks) - len(self.count.left)


def written_role(path: Path, roles_path: Sequence[Path] = ()) -> WrittenRole:
    """Return the role for a playbook, or for the folder of a role of Ansible.

    roles_path: where further roles of Ansible are.  Raises ConfigError.
    """
    found, copied, count = sections(path, roles_path), CopiedFiles(), Count()
    names: list[str] = []
    body: list[str] = []
    for section in found:
        names.append(identifier(section.name, {*names, *IMPORTS, *OF_ROLE, *step_modules()}))
        body += ["", "", *function(section, names[-1], copied, count)]
    used = loaded("\n".join(body))
    head = [f'"""What {path.resolve().name} does."""', "", "from __future__ import annotations", ""]
    standard = sorted(
        {line for name, line in IMPORTS.items() if name in used and "provision" not in line},
        key=lambda line: (line.startswith("from"), line),
    )
    steps = ", ".join(sorted(used & set(step_modules())))
    own = [IMPORTS["ProvError"]] if "ProvError" in used else []
    own.append(
        "from provision.role import " + ", ".join(sorted({*(used & set(OF_ROLE)), "Host", "task"}, key=order))
    )
    own += laid_out_import(steps)
    head += [*standard, *([""] if standard else []), *own]
    files = {"__init__.py": ("\n".join([*head, *body]) + "\n").encode(), **copied.contents}
    return WrittenRole(files, count)


def order(name: str) -> tuple[bool, str]:
    """Return the key by which names of an import are sorted: classes first."""
    return not name[0].isupper(), name


def laid_out_import(steps: str) -> list[str]:
    """Return the import of steps."""
    line = f"from provision.steps import {steps}"
    if not steps:
        return []
    if len(line) <= WIDTH:
        return [line]
    return ["from provision.steps import (", *(f"    {name}," for name in steps.split(", ")), ")"]


def step_modules() -> list[str]:
    """Return the names of the modules with steps."""
    folder = Path(__file__).parent.parent / "steps"
    return [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]


def function(section: Section, name: str, copied: CopiedFiles, count: Count) -> list[str]:
    """Return the source of one task of the role."""
    scope = PlaybookScope(section.variables)
    writer = TaskWriter(scope, section.handlers, copied, count)
    lines: Lines = [(4, f"# Not carried over: {one_line(text)}") for text in section.unread]
    count.tasks.extend(section.unread)
    count.left.extend(("", text, "it could not be read") for text in section.unread)
    body = writer.tasks(section.tasks, 4)
    body += writer.handled(4)
    lines += [(4, line) for line in scope.prologue]
    lines += [(4, f"{each}: list[Outcome] = []") for each in writer.lists]
    lines = merged(needed([*lines, *body]))
    about = one_line(section.about).rstrip(".").replace('"', "'").replace("\\", "/")[:90]
    source = ["@task", f"def {name}(c: Host) -> None:", f'    """{about}."""']
    for indent, text in lines:
        source += comment_lines(text, indent) if text.startswith("#") else laid_out(text, indent)
    return source


def needed(lines: Lines) -> Lines:
    """Return statements without names that nothing reads."""
    while True:
        remaining: Lines = []
        for at, (indent, text) in enumerate(lines):
            name = re.match(r"(\w+)(?:: list\[Outcome\])? = |(\w+)\.append\(", text)
            others = [each for n, (_, each) in enumerate(lines) if n != at and not each.startswith("#")]
            if name is None or any(reads(each, name[1] or name[2]) for each in others):
                remaining.append((indent, text))
            elif name[2] and is_step(text[len(name[0]) : -1]):
                remaining.append((indent, text[len(name[0]) : -1]))
            elif "list[Outcome]" not in text and is_step(text.partition(" = ")[2]):
                remaining.append((indent, text.partition(" = ")[2]))
        if remaining == lines:
            return lines
        lines = remaining


def merged(lines: Lines) -> Lines:
    """Return statements with a condition that is alone in another one joined to it."""
    for at, (indent, text) in enumerate(lines):
        inside = [n for n in range(at + 1, len(lines)) if not lines[n][1].startswith("#")]
        if not text.startswith("if ") or not inside or not lines[inside[0]][1].startswith("if "):
            continue
        first = inside[0]
        rest = lines[first + 1 :]
        end = next((n for n, (deep, _) in enumerate(rest) if deep <= indent), len(rest))
        if lines[first][0] <= indent or any(deep <= lines[first][0] for deep, _ in rest[:end]):
            continue
        parts = [f"({part})" if " or " in part else part for part in (text[3:-1], lines[first][1][3:-1])]
        comments = [(indent, each) for _, each in lines[at + 1 : first]]
        head = [*lines[:at], *comments, (indent, f"if {' and '.join(parts)}:")]
        return merged([*head, *((deep - 4, each) for deep, each in rest[:end]), *rest[end:]])
    return lines


def reads(text: str, name: str) -> bool:
    """Return whether a statement reads a name, other than to add to it."""
    text = re.sub(rf"^{name}(\.append\(|: list\[Outcome\]|: Any| = )", "", text)
    bare = re.sub(r'"(?:[^"\\]|\\.)*"' if not re.search(r'\bf"', text) else r"\0", '""', text)
    return re.search(rf"(?<![\w.\"']){name}\b(?!=[^=])", bare) is not None


def is_step(text: str) -> bool:
    """Return whether an expression is the call of a step, which has to stay."""
    return re.match(r"\w+\.\w+\(c\b", text) is not None


def comment_lines(text: str, indent: int) -> list[str]:
    """Return a comment in lines that are short enough."""
    margin = " " * indent
    lines = []
    while len(margin + text) > WIDTH:
        at = text.rfind(" ", 20, WIDTH - indent)
        at = at if at > 20 else WIDTH - indent
        lines.append((margin + text[:at]).rstrip())
        text = "#     " + text[at:].lstrip()
    return [*lines, (margin + text).rstrip()]


def loaded(source: str) -> set[str]:
    """Return the names that a source reads."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
