"""What pending migrations do to the code that serves until the switch: read from the migrations, nothing is run.

Source: Django, "Migration Operations" (https://docs.djangoproject.com/en/stable/ref/migration-operations/), and
Alembic, "Operation Reference" (https://alembic.sqlalchemy.org/en/latest/ops.html).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Iterator

from provision.apps.app_releases import Release
from provision.apps.code_migrations import schema_of
from provision.apps.project_reading import called, name_of
from provision.errors import ProvError
from provision.sources.folder_manifests import contents

#: bytes
MOST = 1 << 20
#: operations of Django and Alembic that older code can't bear: what is said, and the argument that names it
TABLES = {
    "DeleteModel": ("removes the table of", "name"),
    "RenameModel": ("renames the table of", "old_name"),
    "AlterModelTable": ("renames the table of", "name"),
    "drop_table": ("removes the table", "table_name"),
    "rename_table": ("renames the table", "old_table_name"),
}
FIELDS = {"RemoveField": ("removes", "name"), "RenameField": ("renames", "old_name")}
NOT_NULL = "so code that does not set it can't add rows"


def risks_of(release: Release) -> dict[str, list[str]]:
    """Return what migrations of a release do that other code of the application can't bear, by their paths."""
    return read_all(release, risks_in)


def code_before(risk: str, app: str) -> str:
    """Return what a pending migration does to the code in service, for people. risk: its path, and what it does."""
    return f"{risk}. Until the switch, and after a rollback, code from before it serves {app}"


def read_all(release: Release, read: Callable[[bytes], Iterator[str]]) -> dict[str, list[str]]:
    """Return what `read` finds in the migrations of a release, by their paths. Those without a finding are left out."""
    entries = {entry[0]: entry for entry in release.entries}
    found: dict[str, list[str]] = {}
    for path in schema_of(release):
        try:
            lines = list(read(contents(entries, path, MOST)))
        except (OSError, ProvError):
            # the release's own steps say it
            continue
        if lines:
            found[path] = lines
    return found


def risks_in(text: bytes) -> Iterator[str]:
    """Yield what a migration does that code from before it can't bear, each as "removes shop.price"."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        # it fails on the host, with its message
        return
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == "Migration" and not is_squashed(node):
            # `state_operations` of SeparateDatabaseAndState touch no database
            calls = list(calls_in(node, without="state_operations"))
            made = {text_of(call, "name", 0).lower() for call in calls if called(call) == "CreateModel"}
            for call in calls:
                yield from django(call, made)
        elif isinstance(node, ast.FunctionDef) and node.name == "upgrade":
            calls = list(calls_in(node))
            made = {text_of(call, "table_name", 0) for call in calls if called(call) == "create_table"}
            for call in calls:
                yield from alembic(call, made)


def is_squashed(node: ast.ClassDef) -> bool:
    """Return whether a migration stands for others, which the database may have already."""
    targets = [name_of(each) for part in node.body if isinstance(part, ast.Assign) for each in part.targets]
    return "replaces" in targets


def calls_in(node: ast.AST, without: str = "") -> Iterator[ast.Call]:
    """Yield the calls in a part of a module, in its order. without: a keyword whose value is left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.keyword) and child.arg == without:
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from calls_in(child, without)


def django(call: ast.Call, made: Container[str]) -> Iterator[str]:
    """Yield what an operation of Django does that older code can't bear. made: models that the migration makes."""
    kind = called(call)
    if kind in TABLES:
        said, names_it = TABLES[kind]
        yield f"{said} {text_of(call, names_it, 0)}"
    elif kind in FIELDS:
        said, names_it = FIELDS[kind]
        yield f"{said} {text_of(call, 'model_name', 0)}.{text_of(call, names_it, 1)}"
    elif kind == "AddField" and text_of(call, "model_name", 0).lower() not in made:
        field = argument(call, "field", 2)
        # the default of a field is Django's, and the database does not keep it
        if isinstance(field, ast.Call) and not may_be_missing(field):
            name = f"{text_of(call, 'model_name', 0)}.{text_of(call, 'name', 1)}"
            yield f"adds {name}, which can't be null and has no db_default, {NOT_NULL}"


def may_be_missing(field: ast.Call) -> bool:
    """Return whether rows can be added without a field of Django."""
    if called(field) in ("ManyToManyField", "GeneratedField"):
        # no column, or one that the database fills
        return True
    given = options_of(field)
    return None in given or "db_default" in given or is_constant(given.get("null"), True)


def alembic(call: ast.Call, made: Container[str]) -> Iterator[str]:
    """Yield what an operation of Alembic does that older code can't bear. made: tables that the migration makes.

    In a batch, the table is named before.
    """
    if not isinstance(call.func, ast.Attribute):
        return
    kind, batch = call.func.attr, "batch" in name_of(call.func.value)
    if not batch and name_of(call.func.value) != "op":
        return
    table = "" if batch else f"{text_of(call, 'table_name', 0)}."
    first = 0 if batch else 1
    if kind in TABLES:
        said, names_it = TABLES[kind]
        yield f"{said} {text_of(call, names_it, 0)}"
    elif kind == "drop_column":
        yield f"removes {table}{text_of(call, 'column_name', first)}"
    elif kind == "alter_column":
        name = f"{table}{text_of(call, 'column_name', first)}"
        if "new_column_name" in options_of(call):
            yield f"renames {name}"
        if forbids_null(call):
            yield f"forbids null in {name}, {NOT_NULL}"
    elif kind == "add_column" and table[:-1] not in made:
        column = argument(call, "column", first)
        if isinstance(column, ast.Call) and forbids_null(column):
            name = f"{table}{text_of(column, 'name', 0)}"
            yield f"adds {name}, which can't be null and has no server_default, {NOT_NULL}"


def forbids_null(column: ast.Call) -> bool:
    """Return whether rows can't be added without a column of Alembic's."""
    given = options_of(column)
    return is_constant(given.get("nullable"), False) and "server_default" not in given


def options_of(call: ast.Call) -> dict[str | None, ast.expr]:
    """Return the arguments of a call that have names; None for `**options`."""
    return {each.arg: each.value for each in call.keywords}


def argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    """Return an argument of a call, given by name or by position."""
    named = next((each.value for each in call.keywords if each.arg == name), None)
    if named is None and len(call.args) > position:
        return call.args[position]
    return named


def text_of(call: ast.Call, name: str, position: int) -> str:
    """Return an argument that is a text; "?" for one that is computed."""
    found = argument(call, name, position)
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else "?"


def is_constant(node: ast.expr | None, value: object) -> bool:
    """Return whether an expression is this constant."""
    return isinstance(node, ast.Constant) and node.value is value
