"""Tables that pending migrations make SQLite write again as a whole: read from the migrations, nothing is run.

SQLite's ALTER TABLE can do little, so Django and Alembic copy a table for the rest. Source: Django, "SQLite notes"
(https://docs.djangoproject.com/en/stable/ref/databases/#sqlite-notes) and `_remake_table` of its SQLite backend;
Alembic, "Running Batch Migrations for SQLite" (https://alembic.sqlalchemy.org/en/latest/batch.html).
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator

from provision.apps.app_releases import Release
from provision.apps.migration_risks import (
    argument,
    calls_in,
    is_constant,
    is_squashed,
    options_of,
    read_all,
    text_of,
)
from provision.apps.project_reading import called

#: operations of Django that may copy a table, and what names the model
COPYING = {
    "AlterField": "model_name",
    "RemoveField": "model_name",
    "AddConstraint": "model_name",
    "RemoveConstraint": "model_name",
    "AlterUniqueTogether": "name",
}


def rewrites_of(release: Release) -> dict[str, list[str]]:
    """Return the tables that migrations of a release may copy in SQLite, by the migrations' paths."""
    return read_all(release, rewrites_in)


def rewrites_in(text: bytes) -> Iterator[str]:
    """Yield the models of Django, or tables of Alembic, that a migration may copy in SQLite, each once."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        # it fails on the host, with its message
        return
    found: dict[str, None] = {}
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == "Migration" and not is_squashed(node):
            # `state_operations` of SeparateDatabaseAndState touch no database
            calls = list(calls_in(node, without="state_operations"))
            made = {text_of(call, "name", 0).lower() for call in calls if called(call) == "CreateModel"}
            found.update(dict.fromkeys(name for call in calls for name in django(call, made)))
        elif isinstance(node, ast.FunctionDef) and node.name == "upgrade":
            batches = [call for call in calls_in(node) if called(call) == "batch_alter_table"]
            found.update(dict.fromkeys(text_of(call, "table_name", 0) for call in batches))
    yield from found


def django(call: ast.Call, made: Container[str]) -> Iterator[str]:
    """Yield the model whose table an operation of Django may copy. made: models that the migration makes."""
    kind = called(call)
    model = text_of(call, COPYING.get(kind, "model_name"), 0)
    if model.lower() in made:
        return
    if kind in COPYING:
        yield model
    elif kind == "AddField":
        field = argument(call, "field", 2)
        if isinstance(field, ast.Call) and copies(field):
            yield model


def copies(field: ast.Call) -> bool:
    """Return whether SQLite can't add a column for a field: only one that may be null, and has no default, is added."""
    if called(field) == "ManyToManyField":
        return False
    given = options_of(field)
    if not is_constant(given.get("null"), True) or is_constant(given.get("unique"), True):
        return True
    return "default" in given or called(field) == "OneToOneField"
