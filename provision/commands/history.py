"""prov history: what earlier runs changed on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from provision.cli.options import several_hosts
from provision.cli.prepare import Scope
from provision.cli.questions import ask
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
    from provision.run.host_answers import answer_of
    from provision.steps.history import history as asked
    from provision.system.memory.records import LONG, PAST, TEXT
    from provision.system.shapes import having, listing

    turn = having(dict.fromkeys(("app", "before", "after", "why", "how"), LONG))
    terms = having({}, {"apps": listing(turn), "roles": listing(TEXT)})

    def past(value: Any) -> Any:
        found = PAST(value)
        return {**found, "runs": [terms(each) for each in found["runs"]]}

    answer = answer_of(asked(host, run), past)
    for each in answer["runs"]:
        host.emit(PastRun(host.name, each, answer.get("steps")))
