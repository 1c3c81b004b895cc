"""How reports show pending migrations."""

from __future__ import annotations

from provision.controller.events import MigrationsPending, PendingMigration
from provision.report.migration_lines import MigrationSummary


def shown(*events: MigrationsPending) -> list[str]:
    summary = MigrationSummary()
    for event in events:
        summary.take(event)
    return [line.text for line in summary.lines(["web1", "web2", "web3"])]


def told(host: str, *migrations: PendingMigration, why: str = "") -> MigrationsPending:
    return MigrationsPending(host, "shop", "a" * 12, migrations, why)


def test_each_migration_has_a_block_and_equal_hosts_are_named_once() -> None:
    migrations = (
        PendingMigration("shop.0007_price", "BEGIN;\nALTER TABLE a;\x1b[31m", (), ""),
        PendingMigration("shop.0008_fill", "", ("RunPython fill",), ""),
        PendingMigration("shop.0009_state", "", (), ""),
        PendingMigration("shop.0010_odd", "", (), "ValueError: a\nb"),
    )
    lines = shown(told("web1", *migrations), told("web2", *migrations))
    assert lines[0] == "shop: 4 pending migrations (web1, web2 (2 of 3))"
    assert lines[1:3] == ["  shop.0007_price", "    BEGIN;"]
    assert "\x1b" not in lines[3]
    assert lines[4:] == [
        "  shop.0008_fill: no SQL",
        "    Python code: RunPython fill",
        "  shop.0009_state: no SQL, as it changes nothing",
        "  shop.0010_odd: its SQL could not be told: ValueError: a\\nb",
    ]


def test_what_could_not_be_told_says_why() -> None:
    listed = PendingMigration("shop/migrations/0007_price.py", "", (), "")
    assert shown(told("web1", listed, why="not there")) == [
        "shop: 1 pending migration (only web1): not there",
        "  shop/migrations/0007_price.py",
    ]
    assert shown(told("web1", why="no database")) == [
        "shop: pending migrations are not known (only web1): no database"
    ]
    assert shown(told("web1")) == ["shop: no pending migrations (only web1)"]
