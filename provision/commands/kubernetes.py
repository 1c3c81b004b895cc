"""prov kubernetes: applications of targets in clusters of Kubernetes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision.cli.nearest_names import NearestNames
from provision.cli.options import format_option, inventory_option, target_argument
from provision.cli.prepare import Scope, meant
from provision.errors import Exit, UsageError
from provision.report.formats import Format
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.platforms.kubernetes.mapped_apps import MappedApp


@click.group(cls=NearestNames, epilog="Example:  prov kubernetes render prod -o manifests")
def kubernetes() -> None:
    """Run applications on Kubernetes: targets of the inventory in its clusters."""


@kubernetes.command(epilog="Example:  prov kubernetes render prod -o manifests")
@target_argument
@click.argument("app", required=False, default="")
@inventory_option
@format_option
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), default=None, metavar="FOLDER",
              help="Write a file for each object, and remove those of objects that are gone.")  # fmt: skip
@click.option("--with-secrets/--without-secrets", "with_secrets", default=False, show_default=True,
              help="Write Secrets with their values, or leave them out.")  # fmt: skip
def render(
    target: str, app: str, inventory: Sequence[str], out: Format, output: Path | None, with_secrets: bool
) -> int:
    """Write the manifests of applications, for kubectl or GitOps. Connects to no cluster.

    Values of secrets are written on request alone, and not to a terminal. Without them, the Secrets that pods refer to
    must exist. TARGET is one target in a cluster of Kubernetes.

    Exit status: 0 done; 1 the source can't be read, or the folder not be written; 2 usage or configuration.
    """
    if with_secrets and output is None and is_terminal():
        hint = "Send them to a program:  prov kubernetes render ... --with-secrets | kubectl apply -f -"
        raise UsageError("--with-secrets does not write to a terminal", hint=hint)
    from provision.platforms.kubernetes.cluster_objects import objects_of
    from provision.platforms.kubernetes.manifest_files import documents, write_files

    found = chosen(target, app, inventory)
    every = [each for mapped in found for each in objects_of(mapped)]
    written = [each for each in every if with_secrets or not each.is_secret]
    notes = [note for mapped in found for note in mapped.notes]
    for each in every:
        if each.is_secret and not with_secrets:
            keys = ", ".join(each.document["data"])
            notes.append(f"{each.name}: the Secret {each.name} must exist, with the keys {keys}")
    for note in notes:
        say(note, err=True)
    events = [
        {"event": "manifest", "kind": each.kind, "name": each.name, "manifest": each.document}
        for each in written
    ]
    if output is None:
        out.show(events, documents(written).splitlines())
    else:
        gone = write_files(output, target, written)
        lines = [f"{output}: {len(written)} objects", *(f"removed {path}" for path in gone)]
        out.show(
            [{"event": "manifests", "folder": str(output), "files": len(written), "notes": notes}], lines
        )
    return Exit.DONE


def is_terminal() -> bool:
    """Return whether people read the output."""
    return sys.stdout.isatty()


def chosen(target: str, app: str, inventory: Sequence[str]) -> list[MappedApp]:
    """Return the applications of a target. Raises UsageError, ConfigErrors."""
    from provision.cli.of_applications import named, no_applications
    from provision.inventory.loaded import check
    from provision.platforms.platform_model import find
    from provision.roles.project import resolve

    hosts = meant(Scope(target, inventory))
    if len(hosts) > 1:
        names = ", ".join(host.name for host in hosts[:5])
        raise UsageError(f"{target!r} matches {len(hosts)} targets, expected one: {names}")
    check(hosts, reach=False)
    manifests = find(hosts[0].platform).manifests if hosts[0].platform else None
    if manifests is None:
        hint = "A target of Kubernetes has `platform: kubernetes` in the inventory."
        raise UsageError(f"{hosts[0].name} is not on Kubernetes", hint=hint)
    (assignment,) = resolve(hosts, reach=False)
    if not assignment.served.apps:
        raise no_applications(hosts)
    if app:
        named(app, hosts[0].name, assignment.served.apps)
    return list(manifests(assignment, app))
