"""prov status: how applications are doing."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from provision.cli.of_applications import served_apps, target_and_app
from provision.cli.platform_targets import platform_status
from provision.cli.prepare import Scope, select_targets
from provision.cli.questions import ask
from provision.errors import Exit
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.inventory import InventoryHost
    from provision.roles.role_host import Host

#: seconds between two looks
PAUSE = 2.0


@click.command(epilog="Example:  prov status all --json")
@target_and_app
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
def status(scope: Scope, out: Format, app: str, watch: bool) -> int:
    """Show how the applications of hosts are doing: releases, processes with memory and restarts, jobs with their
    last result and next run, health, what the front answers, days left of certificates, reloads that are owed, holds
    and locks. Changes nothing.

    Without APP, all applications of the hosts. TARGET is a host, a group, a glob, or several with commas; !x
    leaves out.

    Exit status: 0 all is well, or --watch has ended; 3 something is wrong; 1 a host failed; 2 usage or
    configuration; 4 a host could not be reached.
    """
    hosts, on_platforms = select_targets(scope)
    if on_platforms:
        look = partial(platform_status, hosts, app, out)
    else:
        look = partial(shown_status, scope, out, hosts, served_apps(hosts, app))
    if not watch:
        return look()
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            if sys.stdout.isatty():
                click.clear()
            if look() == Exit.INTERRUPTED:
                break
            time.sleep(PAUSE)
    return Exit.DONE


def shown_status(
    scope: Scope, out: Format, hosts: Sequence[InventoryHost], apps: Mapping[str, Sequence[Application]]
) -> Exit:
    """Show once how applications are doing. apps: by the host's name."""
    wrong: list[str] = []

    def work(host: Host) -> None:
        from provision.apps.renewals import acme_state
        from provision.apps.tls import certificate_path
        from provision.apps.tls_settings import Acme
        from provision.controller.events import Answered
        from provision.run.host_answers import answer_of
        from provision.serving.instances import health_url
        from provision.steps.application_states import application_states
        from provision.system.shapes import having

        own = apps[host.name]
        names = [each.name for each in own]
        fronts = sorted({each.front_role.unit for each in own})
        certificates = {
            each.name: (certificate_path(each), acme_state(each) if isinstance(each.tls, Acme) else "")
            for each in own
            if each.tls != "none"
        }
        sites = {each.name: health_url(each) for each in own}
        found = answer_of(application_states(host, names, fronts, certificates, sites), having({}))
        problems = [*found["problems"], *(p for each in found["apps"].values() for p in each["problems"])]
        wrong.extend(problems)
        host.emit(Answered(host.name, "status", {"ok": not problems, **found}))

    from provision.controller.run_options import ASIDE
    from provision.report.status_report import StatusShown

    ended = ask(scope, out, work, lambda hosts: StatusShown(), plan=False, opening=ASIDE, hosts=hosts)
    return Exit.CHANGES if ended == Exit.DONE and wrong else ended
