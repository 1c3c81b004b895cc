"""prov diff: what differs between two environments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.complete import complete_target
from provision.cli.options import forks_option, format_option, inventory_option
from provision.errors import Exit, UsageError
from provision.report.formats import Format
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.inventory import InventoryHost
    from provision.roles.host_differences import Difference


@click.command(epilog="Example:  prov diff staging production")
@click.argument("left", metavar="TARGET", shell_complete=complete_target)
@click.argument("right", metavar="OTHER", shell_complete=complete_target)
@inventory_option
@forks_option
@click.option(
    "--live",
    is_flag=True,
    help="Ask the hosts too: which releases serve, and which hosts a deploy would change.",
)
@format_option
def diff(left: str, right: str, inventory: Sequence[str], forks: int, live: bool, out: Format) -> int:
    """Show what differs between two environments, and nothing else. Changes nothing; without --live, connects to
    no host.

    A setting differs if the values that the hosts of TARGET have are not those of OTHER. Addresses are not
    compared. Secrets are compared, and shown as ********.

    Exit status: 0 nothing differs; 3 something differs; 2 usage or configuration; with --live, 1 a host failed, 4 a
    host could not be reached.
    """
    from provision.inventory import check, load
    from provision.roles.host_differences import differences

    loaded = load(inventory or None)
    ours, theirs = loaded.select(left), loaded.select(right)
    both = {host.name for host in ours} & {host.name for host in theirs}
    if both:
        raise UsageError(
            f"in both {left} and {right}: {', '.join(sorted(both))}", hint="Name two sets of hosts."
        )
    check([*ours, *theirs], reach=live)
    found = differences(ours, theirs)
    status = Exit.DONE
    if live:
        asked, status = live_differences(ours, theirs, forks)
        found += asked
    events = [
        {"event": "difference", "name": each.name, "left": list(each.left), "right": list(each.right)}
        for each in found
    ]
    if found or out.FOR_PROGRAMS:
        rows = [(each.name, ", ".join(each.left), ", ".join(each.right)) for each in found]
        out.table(events, ("NAME", left, right), rows)
    else:
        out.message(f"nothing differs between {left} and {right}")
    out.end()
    return status or (Exit.CHANGES if found else Exit.DONE)


def live_differences(
    left: Sequence[InventoryHost], right: Sequence[InventoryHost], forks: int
) -> tuple[list[Difference], Exit]:
    """Return what differs on the hosts themselves, and the exit status of asking them."""
    from provision.roles.host_differences import NONE, Difference
    from provision.roles.project import resolve
    from provision.run.side_states import state_of_side

    a, b = (state_of_side(resolve([host for host in hosts if host.roles]), forks) for hosts in (left, right))
    for name, why in {**a.failed, **b.failed}.items():
        say(f"prov: {name}: {why}", err=True)

    def found() -> Iterator[Difference]:
        for app in dict.fromkeys([*a.releases, *b.releases]):
            ours, theirs = (tuple(side.releases.get(app, [NONE])) for side in (a, b))
            if set(ours) != set(theirs):
                yield Difference(f"release of {app}", ours, theirs)
        if a.drifted or b.drifted:
            yield Difference("drift", tuple(a.drifted) or (NONE,), tuple(b.drifted) or (NONE,))

    worst = next((s for s in (Exit.FAILED, Exit.UNREACHABLE) if s in (a.status, b.status)), Exit.DONE)
    return list(found()), worst
