"""prov history: what earlier runs changed on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.options import several_hosts
from provision.cli.prepare import Scope
from provision.cli.questions import ask
from provision.errors import ProvError
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.role_host import Host


@click.command(epilog="Example:  prov history web1 12")
@several_hosts
@click.argument("run", type=click.IntRange(min=1), required=False)
def history(scope: Scope, out: Format, run: int | None) -> int:
    """List the runs that changed a host: who, when, from which commit, what, and how they ended.

    With RUN, the number of a run, show what it changed, with diffs. TARGET is a host, a group, a glob, or
    several with commas; !x leaves out.

    Exit status: 0 done; 1 there is no such run; 2 usage or configuration; 4 a host could not be reached.
    """
    from provision.report.history_report import HistoryShown

    def work(host: Host) -> None:
        tell(host, run or 0)

    return ask(scope, out, work, lambda hosts: HistoryShown(named=len(hosts) > 1), plan=True)


def tell(host: Host, run: int) -> None:
    """Ask one host. Raises StepFailed if it has no such run."""
    from provision.controller.events import PastRun
    from provision.steps.history import history as asked
    from provision.system.memory.records import LONG, PAST, TEXT, Damaged, understood
    from provision.system.shapes import Misshapen, having, listing

    turn = having(dict.fromkeys(("app", "before", "after", "why"), LONG))
    terms = having({}, {"apps": listing(turn), "roles": listing(TEXT)})
    try:
        answer = understood(asked(host, run).stdout.encode("utf-8", "surrogatepass"), PAST)
        answer["runs"] = [terms(each) for each in answer["runs"]]
    except (Damaged, Misshapen) as error:
        raise ProvError(f"the host's records of its runs are invalid: {error}") from None
    for each in answer["runs"]:
        host.emit(PastRun(host.name, each, answer.get("steps")))
