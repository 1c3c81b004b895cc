"""What pending migrations do to databases: a block for each, with its SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from provision.controller.events import MigrationsPending, PendingMigration
from provision.report.reporting import counted
from provision.report.shared_steps import whom
from provision.report.shown_lines import ShownLine, flat, lines


class MigrationSummary:
    """Gathers the pending migrations of applications."""

    def __init__(self) -> None:
        self._found: dict[MigrationsPending, list[str]] = {}

    def take(self, event: MigrationsPending) -> None:
        """Add what one host has told; equal answers are shown once, with all hosts."""
        self._found.setdefault(replace(event, host=""), []).append(event.host)

    def lines(self, hosts: Sequence[str]) -> Iterator[ShownLine]:
        """Yield `shop: 2 pending migrations (web1)`, and what each of them does. hosts: of the whole run."""
        for each, names in sorted(self._found.items(), key=lambda item: item[0].app):
            where = whom(names, hosts)
            count = counted(len(each.migrations), "pending migration") if each.migrations else ""
            if not each.why:
                yield ShownLine("", f"{flat(each.app)}: {count or 'no pending migrations'} ({where})")
            else:
                said = count or "pending migrations are not known"
                yield ShownLine("hint", f"{flat(each.app)}: {said} ({where}): {flat(each.why)}")
            for migration in each.migrations:
                yield from block(migration, silent=bool(each.why))


def block(migration: PendingMigration, *, silent: bool) -> Iterator[ShownLine]:
    """Yield the lines of a migration. silent: it has been said why its SQL is not shown."""
    name = f"  {flat(migration.name)}"
    if migration.why:
        yield ShownLine("message", f"{name}: its SQL could not be told: {flat(migration.why)}")
    elif silent or migration.sql:
        yield ShownLine("place", name)
    else:
        yield ShownLine("place", f"{name}: no SQL{'' if migration.python else ', as it changes nothing'}")
    for line in lines("code", migration.sql) if migration.sql else ():
        yield line.indented("    ")
    for code in migration.python:
        yield ShownLine("message", f"    Python code: {flat(code)}")
