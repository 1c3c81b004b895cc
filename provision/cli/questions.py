"""What ping, facts, run, exec and manage share: a session with each host, for work that is not a role's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from provision.cli.prepare import Scope, select
from provision.errors import Exit

if TYPE_CHECKING:
    from provision.controller.outcome import Outcome
    from provision.inventory import InventoryHost
    from provision.report.formats import Format
    from provision.report.reporting import Report
    from provision.roles.role_host import Host
    from provision.run.work import Work


def ask(
    scope: Scope,
    out: Format,
    work: Work,
    report: Callable[[Sequence[InventoryHost]], Report],
    *,
    plan: bool,
    opening: Mapping[str, Any] = MappingProxyType({}),
    hosts: Sequence[InventoryHost] | None = None,
) -> Exit:
    """Do the work on every host, and show the answers; return the exit status.

    report: makes the report for people.  plan: the session must change nothing, and takes no lock.
    opening: more arguments for the agents' start.  hosts: those of the scope, if they are selected already.
    """
    hosts = hosts or select(scope)
    from provision.cli.watch import Prompt, run_shown
    from provision.controller.run_options import RunOptions
    from provision.roles.project import Assignment

    prompt = Prompt(out.answers(lambda: report(hosts)))
    options = RunOptions(plan=plan, forks=scope.forks, opening=opening)
    return run_shown([Assignment(host) for host in hosts], options, prompt, out, work)


def tell_facts(host: Host) -> None:
    """Work: wait for the agent's first message and pass on what it says."""
    from provision.controller.events import FactsKnown

    host.emit(FactsKnown(host.name, host.facts))


def pass_on_output(host: Host, start: Callable[[], Outcome]) -> None:
    """Pass on what a command has printed. start: submits its step. Raises StepFailed.

    A command that ended with another status than 0 has output too; one that could not be run has none.
    """
    from provision.controller.events import Output
    from provision.controller.outcome import StepFailed

    try:
        outcome = start()
        host.emit(Output(host.name, 0, outcome.stdout, outcome.stderr))
    except StepFailed as failed:
        if failed.status is not None:
            host.emit(Output(host.name, failed.status, failed.stdout, failed.stderr))
        raise
