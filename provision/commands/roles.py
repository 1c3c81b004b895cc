"""prov roles: list roles, or describe one."""

from __future__ import annotations

import ast
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.complete import complete_roles
from provision.cli.options import format_option
from provision.declared.role_folders import BUILTIN, names, search_path
from provision.errors import UsageError
from provision.names import suggestion
from provision.report.columns import aligned
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.docs import Parameter, TaskDoc
    from provision.roles.role_model import Role


@click.command(epilog="Example:  prov roles nginx")
@click.argument("names_", metavar="[NAME]...", nargs=-1, shell_complete=complete_roles)
@format_option
def roles(names_: Sequence[str], out: Format) -> None:
    """List the roles or, with names, describe each: parameters, tasks and steps.

    A role in the project's folder roles/ replaces a built-in role of the same name.
    """
    folders = search_path()
    known = names(folders)
    for name in names_:
        if name not in known:
            raise UsageError(
                f"there is no role {name!r}.{suggestion(name, known)}", hint=f"There are: {', '.join(known)}"
            )
    if not names_:
        rows = [(name, origin(name, folders), summary(name, folders)) for name in known]
        events = (
            {"event": "role", "name": name, "from": source, "summary": text} for name, source, text in rows
        )
        out.show(events, aligned([("NAME", "FROM", "WHAT"), *rows]))
    for name in names_:
        show(name, folders, out)
    out.end()


def origin(name: str, folders: Sequence[Path]) -> str:
    """Where a role comes from: "built-in", or the project's folder."""
    where = [folder for folder in folders if (folder / name / "__init__.py").is_file()]
    if where[0] == BUILTIN:
        return "built-in"
    return f"roles/{name}" + (", replaces the built-in role" if len(where) > 1 else "")


def summary(name: str, folders: Sequence[Path]) -> str:
    """The first line of a role's docstring; read without importing it, so that a broken one is listed too."""
    file = next(f for folder in folders if (f := folder / name / "__init__.py").is_file())
    try:
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    except SyntaxError as error:
        return f"broken: {error.msg}, line {error.lineno}"
    return text.split("\n", 1)[0]


def show(name: str, folders: Sequence[Path], out: Format) -> None:
    """Return one role. Raises ConfigError if it can't be imported."""
    from provision.roles import docs as roledocs
    from provision.roles.role_model import find

    role = find(name, folders)
    assert role is not None  # the name was checked
    parameters = list(roledocs.parameters(role.params))
    tasks = roledocs.task_docs(role)
    source = origin(name, folders)
    out.show([as_event(role, source, parameters, tasks)], page(role, source, parameters, tasks))


def as_event(
    role: Role, source: str, parameters: Sequence[Parameter], tasks: Sequence[TaskDoc]
) -> dict[str, object]:
    """A role as a line of --json."""
    return {
        "event": "role",
        "name": role.name,
        "from": source,
        "doc": role.doc,
        "after": list(role.after),
        "requires": list(role.requires),
        "serves": list(role.server.serves) if role.server else [],
        "package": role.server.package if role.server else None,
        "offers": list(role.front.offers) if role.front else [],
        "parameters": [
            {
                "name": p.name,
                "type": p.type,
                "required": p.default is None,
                "default": p.default,
                "doc": p.doc,
            }
            for p in parameters
        ],
        "tasks": [
            {
                "name": t.name,
                "doc": t.doc,
                "tags": list(t.tags),
                "steps": [{"step": s.step, "where": s.where} for s in t.steps],
            }
            for t in tasks
        ],
    }


def page(role: Role, source: str, parameters: Sequence[Parameter], tasks: Sequence[TaskDoc]) -> Iterator[str]:
    """A role for people."""
    yield f"{role.name} ({source})"
    yield from wrapped(role.doc, "  ")
    if role.server:
        yield f"  Serves: {', '.join(role.server.serves)}; package: {role.server.package or 'installed by its steps'}"
    if role.front:
        yield f"  Offers: {', '.join(role.front.offers)}"
    if role.backing:
        yield f"  Applications reach it by: {', '.join(role.backing.reached_by)}"
    if role.requires:
        yield f"  Requires: {', '.join(role.requires)}"
    if role.after:
        yield f"  Runs after: {', '.join(role.after)}{', and every server' if role.front else ''}"
    yield ""
    yield f"Parameters, in the variable {role.name}:" if parameters else "No parameters."
    for p in parameters:
        yield f"  {p.name}: {p.type}" + (" (required)" if p.default is None else f" = {p.default}")
        yield from wrapped(p.doc, "      ")
    yield ""
    yield "Tasks, with the steps that their code can take:"
    for t in tasks:
        yield f"  {t.name}" + (f"  [tags: {', '.join(t.tags)}]" if t.tags else "")
        yield from wrapped(t.doc, "      ")
        yield from aligned([(f"      {s.step}", s.where) for s in t.steps]) if t.steps else ()


def wrapped(text: str, indent: str) -> Iterator[str]:
    """Paragraphs, as wide as the terminal, but at most 100 columns."""
    width = min(100, shutil.get_terminal_size().columns)
    for paragraph in text.split("\n\n"):
        yield from textwrap.wrap(
            " ".join(paragraph.split()), width, initial_indent=indent, subsequent_indent=indent
        )
