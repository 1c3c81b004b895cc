"""How the hosts of an environment are: what their applications serve, and whether they drift from the inventory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from provision.controller.events import Answered, HostDone, StepDone
from provision.controller.run_options import RunOptions
from provision.errors import Exit, ProvError
from provision.run.on_hosts import Run
from provision.run.work import run_whole
from provision.values import dataclass

if TYPE_CHECKING:
    from provision.roles.project import Assignment
    from provision.roles.role_host import Host


@dataclass
class SideState:
    """releases: those in service, by application, each once.  drifted: hosts that a deploy would change.

    failed: hosts that could not be asked, and why.  status: the worst of the hosts.
    """

    releases: dict[str, list[str]] = field(default_factory=dict)
    drifted: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    status: Exit = Exit.DONE


def state_of_side(assignments: Sequence[Assignment], forks: int) -> SideState:
    """Ask hosts; nothing is changed on them."""
    found = SideState()
    run = Run(assignments, RunOptions(plan=True, forks=forks, maybe_counts=False), asked)
    for event in run:
        if isinstance(event, Answered):
            for app, release in event.values.items():
                known = found.releases.setdefault(app, [])
                if release not in known:
                    known.append(release)
        elif isinstance(event, HostDone) and event.error is not None:
            found.failed[event.host] = event.error.message
        elif isinstance(event, StepDone) and event.error is not None:
            found.failed.setdefault(event.host, event.error.message)
    found.drifted = [name for name, tally in run.tallies.items() if tally.changed]
    status = run.exit_status()
    found.status = Exit.DONE if status == Exit.CHANGES else status
    return found


def asked(host: Host) -> None:
    """Work: say which releases are in service, then plan."""
    from provision.run.going_back import books

    if host.apps:
        known = {app: in_service(book) for app, book in books(host).items()}
        host.emit(Answered(host.name, "in_service", known))
    run_whole(host)


def in_service(book: dict[str, Any]) -> str:
    """Return the release of a book that serves, with its commit."""
    if "damaged" in book:
        raise ProvError(str(book["damaged"]), hint="A deploy writes it again.")
    live = book.get("live")
    if not live:
        return "none"
    entry = book["instances"][live]
    return " ".join(filter(None, [entry["release"], entry.get("commit", "")]))
