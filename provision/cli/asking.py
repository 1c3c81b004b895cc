"""What ping, facts and run share: a session with each host, for some work that no role describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from provision.cli.prepare import Scope, select
from provision.errors import Exit

if TYPE_CHECKING:
    from provision.inventory import InventoryHost
    from provision.report.base import Report
    from provision.report.formats import Format
    from provision.roles.host import Host
    from provision.run.work import Work


def ask(
    scope: Scope,
    out: Format,
    work: Work,
    report: Callable[[Sequence[InventoryHost]], Report],
    *,
    plan: bool,
    opening: Mapping[str, Any] = MappingProxyType({}),
) -> Exit:
    """Do the work on every host, and show the answers; returns the exit status.

    report: makes the one for people.  plan: the session must change nothing, and takes no lock.
    opening: what else agents are told with their start.
    """
    hosts = select(scope)
    from provision.cli.sudo_password import AskOnce
    from provision.cli.watch import Prompt, can_ask, watch
    from provision.controller.run_options import RunOptions
    from provision.roles.project import Assignment
    from provision.run.on_hosts import Run

    shown = out.answers(lambda: report(hosts))
    prompt = Prompt(shown)
    run = Run(
        [Assignment(host) for host in hosts],
        RunOptions(
            plan=plan,
            forks=scope.forks,
            ask=AskOnce(prompt) if can_ask(out) else None,
            opening=opening,
        ),
        work,
    )
    return watch(run, shown, prompt)


def tell_facts(host: Host) -> None:
    """Work: wait for the agent's first message and pass on what it says."""
    from provision.controller.events import FactsKnown

    host.emit(FactsKnown(host.name, host.facts))
