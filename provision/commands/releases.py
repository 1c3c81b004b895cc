"""prov releases: the releases of applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from provision.cli.of_applications import served_apps, target_and_app
from provision.cli.prepare import Scope, select
from provision.cli.questions import ask
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.role_host import Host

#: why a release can't be gone back to that `prov deploy --dry-build` has made
BUILT = "built, not in service yet"


@click.command(epilog="Example:  prov releases web1 shop")
@target_and_app
def releases(scope: Scope, out: Format, app: str) -> int:
    """List the releases of applications on each host: name, when and who deployed it, its commit, which one is in
    service, and which can be gone back to, or why not. Changes nothing.

    Without APP, all applications of the hosts. TARGET is a host, a group, a glob, or several with commas; !x
    leaves out.

    Exit status: 0 done; 1 a host failed; 2 usage or configuration; 4 a host could not be reached.
    """
    hosts = select(scope)
    apps = served_apps(hosts, app)
    from provision.report.releases_report import ReleasesShown

    def work(host: Host) -> None:
        from provision.controller.events import Answered
        from provision.run.going_back import books

        if not apps[host.name]:
            return
        for name, book in books(host, apps[host.name]).items():
            host.emit(Answered(host.name, "releases", {"app": name, **for_programs(book)}))

    return ask(scope, out, work, lambda hosts: ReleasesShown(), plan=True, hosts=hosts)


def for_programs(book: dict[str, Any]) -> dict[str, Any]:
    """Return a book for programs: the newest release first."""
    from provision.system.memory.release_book import in_order

    if "damaged" in book:
        return {"error": book["damaged"], "hold": None, "releases": []}
    found = []
    for name, entry in reversed(in_order(book)):
        about = entry["about"]
        found.append(
            {
                "id": entry["release"],
                "instance": name,
                "at": entry["at"],
                "who": entry.get("who", ""),
                "commit": entry.get("commit", ""),
                "server": about.get("server", ""),
                "live": name == book["live"],
                "can_go_back": name != book["live"] and not entry["why"],
                "why_not": "it is in service" if name == book["live"] else entry["why"],
                "migrations": len(about.get("migrations", ())),
            }
        )
    for name in book["unrecorded"]:
        # it was never in service, or a version of prov that records none deployed it
        why = BUILT if name in book["built"] else "the host has no record of it"
        found.append({"id": name, "live": name == book["current"], "can_go_back": False, "why_not": why})
    return {"hold": book["hold"], "releases": found}
