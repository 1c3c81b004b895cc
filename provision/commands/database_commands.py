"""prov db: databases of applications."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from provision.cli.nearest_names import NearestNames
from provision.cli.options import format_option, inventory_option
from provision.errors import UsageError
from provision.report.formats import Format


@click.group(cls=NearestNames, epilog="Example:  prov db copy production:shop staging:shop --mask mask.sql")
def db() -> None:
    """Copy databases of applications between environments."""


@db.command(epilog="Example:  prov db copy production:shop staging:shop --mask mask.sql")
@click.argument("source", metavar="TARGET:APP")
@click.argument("target", metavar="OTHER:APP")
@inventory_option
@click.option("--mask", "masks", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
              metavar="FILE", help="SQL that masks the data before anyone can read the copy; repeatable.")  # fmt: skip
@click.option("--unmasked", is_flag=True, help="Copy data of production as it is.")
@click.option(
    "--use", "key", default="database", show_default=True, metavar="NAME", help="Which one of `uses`."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option
def copy(
    source: str,
    target: str,
    inventory: Sequence[str],
    masks: Sequence[Path],
    unmasked: bool,
    key: str,
    yes: bool,
    out: Format,
) -> int:
    """Copy the PostgreSQL database of an application to another environment. Asks first.

    Hosts of production are never a target. The target's own database stays in use until the copy is whole and
    masked, and is kept beside it until the next copy.

    Exit status: 0 done; 1 it failed, and nothing has changed; 2 usage or configuration.
    """
    from provision.cli.database_copy import check_direction, copy_database, database_of
    from provision.inventory import check, load

    loaded = load(inventory or None)
    found = []
    for words in (source, target):
        name, colon, app = words.rpartition(":")
        if not colon or not name or not app:
            raise UsageError(f"expected TARGET:APP, got {words!r}", hint="Write it as production:shop.")
        hosts = loaded.select(name)
        check(hosts)
        found.append(database_of(hosts, app, key))
    ours, theirs = found
    check_direction(ours, theirs, masks, unmasked=unmasked)
    if not yes:
        if out.FOR_PROGRAMS or not sys.stdin.isatty():
            raise UsageError("copying a database needs --yes where prov can't ask")
        if not click.confirm(f"Replace the data of {theirs} by those of {ours}?", err=True):
            raise click.Abort
    copy_database(ours, theirs, masks, out.message)
    out.show(
        [{"event": "copied", "source": str(ours), "target": str(theirs), "masks": [str(m) for m in masks]}]
    )
    out.end()
    return 0
