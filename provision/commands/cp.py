"""prov cp: files to and from hosts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.copied_paths import CopyOrder, check_named, check_received, order_of, place_in
from provision.cli.options import forks_option, format_option, inventory_option, limit_option
from provision.cli.prepare import Scope, select
from provision.errors import UsageError
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.inventory import InventoryHost
    from provision.roles.role_host import Host
    from provision.run.work import Work


@click.command(epilog="Example:  prov cp -r web1:/var/log/nginx ./logs")
@click.argument("paths", nargs=-1, metavar="SOURCE... DEST")
@click.option("-r", "--recursive", is_flag=True, help="Copy folders as well, with all that is in them.")
@click.option("--app", default="", metavar="APP", help="Paths on hosts are those in the data folder of APP.")
@click.option("--code", is_flag=True, help="With --app, those in its release in service; from hosts alone.")
@inventory_option
@limit_option
@forks_option
@format_option
def cp(
    paths: Sequence[str],
    recursive: bool,
    app: str,
    code: bool,
    inventory: Sequence[str],
    limit: str | None,
    forks: int,
    out: Format,
) -> int:
    """Copy files to hosts or from them, as scp does: TARGET:PATH is on hosts, and all else on this machine.

    prov acts as root if the login may become root. Relative paths begin in the login's home folder. What is new on a
    host belongs to the owner of the folder that it comes into; existing files keep owner and mode. `prov history` lists
    a copy to a host, and `prov undo` undoes it. What comes from several hosts goes into a folder for each.

    Exit status: 0 done; 1 a host failed; 2 usage or configuration; 4 a host could not be reached.
    """
    order = order_of(paths)
    if code and (not app or order.up):
        raise UsageError(
            "--code goes with --app, and copies from hosts alone",
            hint="Releases are made by deploys, and nothing is put into them later.",
        )
    scope = Scope(order.target, inventory, limit, forks)
    hosts = select(scope)
    there = places(order, hosts, app, code=code)
    if order.up:
        from provision.cli.changes import change_shown

        return change_shown(scope, out, hosts, sending(order, there, recursive=recursive))
    from provision.cli.questions import ask
    from provision.report.copies_report import CopiesShown

    work = receiving(order, there, recursive=recursive)
    return ask(scope, out, work, lambda hosts: CopiesShown(), plan=True, hosts=hosts)


def places(order: CopyOrder, hosts: Sequence[InventoryHost], app: str, *, code: bool) -> dict[str, list[str]]:
    """Return the paths on each host, by its name. Raises UsageError."""
    if not app:
        return {host.name: list(order.there) for host in hosts}
    from provision.cli.of_applications import served_apps

    return {
        host: [
            place_in(f"/srv/{found.name}/current" if code else f"/var/lib/{found.user}", path)
            for path in order.there
        ]
        for host, (found,) in served_apps(hosts, app).items()
    }


def sending(order: CopyOrder, there: Mapping[str, Sequence[str]], *, recursive: bool) -> Work:
    """Return the work that copies to a host. there: paths by host. Raises UsageError."""
    folders = [path for path in order.here if path.is_dir()]
    if folders and not recursive:
        raise UsageError(f"{folders[0]} is a folder", hint="Folders are copied with -r.")
    from provision.run.copying import send

    def work(host: Host) -> None:
        send(host, order.here, there[host.name][0])

    return work


def receiving(order: CopyOrder, there: Mapping[str, Sequence[str]], *, recursive: bool) -> Work:
    """Return the work that copies from a host. there: paths by host. Raises UsageError."""
    for found in there.values():
        check_named(found)
    into = check_received(order, len(there))
    from provision.run.copying import receive

    (to,) = order.here
    umask = os.umask(0o022)
    os.umask(umask)

    def work(host: Host) -> None:
        place = to
        if len(there) > 1:
            place = to / host.name
            place.mkdir(exist_ok=True)
        receive(host, there[host.name], place, folders=recursive, into=into, umask=umask)

    return work
