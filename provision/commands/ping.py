"""prov ping: whether hosts can be reached and what they are."""

from __future__ import annotations

import click

from provision.cli.options import several_hosts
from provision.cli.prepare import Scope
from provision.cli.questions import ask, tell_facts
from provision.errors import Exit
from provision.report.formats import Format


@click.command(epilog="Example:  prov ping all")
@several_hosts
def ping(scope: Scope, out: Format) -> int:
    """Open a session with each host, as a deploy would, and say how long it took. Changes nothing.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out.

    Exit status: 0 all answered; 2 usage or configuration; 4 a host could not be reached.
    """
    from provision.report.ping_report import Ping

    status = ask(scope, out, tell_facts, lambda hosts: Ping(max(len(host.name) for host in hosts)), plan=True)
    # a host without python3 counts as reached: a deploy would install it
    return Exit.DONE if status == Exit.CHANGES else status
