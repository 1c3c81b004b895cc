"""prov facts: what prov knows about a host."""

from __future__ import annotations

import click

from provision.cli.options import several_hosts
from provision.cli.prepare import Scope
from provision.cli.questions import ask, tell_facts
from provision.errors import Exit
from provision.report.formats import Format


@click.command(epilog="Example:  prov facts web1 --json")
@several_hosts
def facts(scope: Scope, out: Format) -> int:
    """Print what prov knows about a host: what a role reads as c.facts. Changes nothing.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out.
    """
    from provision.report.facts_report import FactsShown

    status = ask(scope, out, tell_facts, lambda hosts: FactsShown(named=len(hosts) > 1), plan=True)
    # only a host without python3 has changes to predict here, and it reports no facts
    return Exit.FAILED if status == Exit.CHANGES else status
