"""Small changes by commands of their own, such as prov lock: shown as a run, and in the hosts' history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from provision.cli.prepare import Scope
from provision.errors import Exit
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.inventory import InventoryHost
    from provision.roles.project import Assignment
    from provision.run.work import Work


def change_shown(
    scope: Scope,
    out: Format,
    hosts: Sequence[InventoryHost | Assignment],
    work: Work,
    *,
    aside: bool = False,
) -> Exit:
    """Do the work on these hosts, and show each step; return the exit status.

    hosts: with what they get, if the work needs it.
    aside: without the host's lock, and not in its history.
    """
    from provision.cli.watch import Prompt, run_shown
    from provision.controller import project_commit
    from provision.controller.run_options import ASIDE, RunOptions
    from provision.report.reporting import Style
    from provision.roles.project import Assignment

    project_commit.prefetch()
    assignments = [each if isinstance(each, Assignment) else Assignment(each) for each in hosts]
    style = Style(plan=False, verbose=True, fleet=len(hosts) > 1)
    report = out.report(style, [each.host.name for each in assignments], [])
    options = RunOptions(forks=scope.forks, opening=ASIDE if aside else {})
    return run_shown(assignments, options, Prompt(report), out, work)
