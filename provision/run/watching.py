"""Watching what a deploy has put into service: a release that does not stay well fails the run of its host."""

from __future__ import annotations

from provision.controller.events import Notice
from provision.roles.role_host import Host
from provision.run.going_back import newly_started
from provision.run.work import Work
from provision.steps import staying_well


def watched(work: Work, seconds: float) -> Work:
    """Return work that afterwards watches, for some seconds, the applications that it has started new instances of.

    What it raises if one does not stay well is a failed step like others: the release before serves again, and
    later waves are left out.
    """

    def work_and_watch(host: Host) -> None:
        work(host)
        session = host.started()
        session.wait_for_all()
        apps = {app.name: app.domains for app, _ in newly_started(host)}
        if apps:
            session.role = ""
            host.emit(Notice(host.name, f"watching {', '.join(apps)} for {seconds:g} s"))
            logs = sorted({path for app in host.apps if app.name in apps for path in app.front_role.logs})
            staying_well.stays_well(host, apps, seconds, logs).wait()

    return work_and_watch
