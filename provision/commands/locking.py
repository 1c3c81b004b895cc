"""prov lock and prov unlock: hosts that no one changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.changes import change_shown
from provision.cli.options import several_hosts
from provision.cli.prepare import Scope, select_targets
from provision.errors import UsageError
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.role_host import Host
    from provision.run.work import Work


@click.command(epilog='Example:  prov lock web1 "disk is being replaced"')
@several_hosts
@click.argument("reason")
def lock(scope: Scope, out: Format, reason: str) -> int:
    """Keep everyone from changing hosts, until `prov unlock`: deploys, rollbacks and undos are refused with REASON.

    The lock is on the hosts, so it holds for every machine that deploys to them. TARGET is a host, a group, a
    glob, or several with commas; !x leaves out.

    Exit status: 0 done; 1 a host failed, or is locked already; 2 usage or configuration; 4 a host could not be
    reached.
    """
    from provision.steps.base import check_text

    try:
        check_text(reason, "REASON")
    except ValueError as error:
        raise UsageError(
            str(error), hint='Say why in one line:  prov lock web1 "disk is being replaced"'
        ) from None

    def work(host: Host) -> None:
        from provision.controller.run_options import who
        from provision.steps.holds import operator_locked

        operator_locked(host, reason, who())

    return lock_changed(scope, out, work, reason)


@click.command(epilog="Example:  prov unlock web1")
@several_hosts
def unlock(scope: Scope, out: Format) -> int:
    """Lift the lock that `prov lock` has put on hosts.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out.

    Exit status: 0 done, also if there was no lock; 1 a host failed; 2 usage or configuration; 4 a host could not
    be reached.
    """

    def work(host: Host) -> None:
        from provision.steps.holds import operator_locked

        operator_locked(host, "")

    return lock_changed(scope, out, work, "")


def lock_changed(scope: Scope, out: Format, work: Work, reason: str) -> int:
    """Lock hosts, or targets on platforms, or lift that lock: reason "". work: that of hosts."""
    hosts, on_platforms = select_targets(scope)
    if on_platforms:
        from provision.cli.platform_past import platform_lock

        return platform_lock(hosts, reason, out)
    return change_shown(scope, out, hosts, work, aside=True)
