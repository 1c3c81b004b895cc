"""What commands do for targets on platforms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from provision.errors import Exit, UsageError

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.controller.events import Event
    from provision.inventory import InventoryHost
    from provision.platforms.platform_model import DeployOrder, LogsWanted
    from provision.report.formats import Format
    from provision.report.reporting import Report
    from provision.roles.project import Assignment


def converge_platform(
    hosts: Sequence[InventoryHost], order: DeployOrder, out: Format, diff: bool | None
) -> Exit:
    """Deploy to a target on a platform, or plan it; returns the exit status. Raises ConfigErrors and UsageErrors
    before the platform is asked anything."""
    from provision.cli.ec2_hosts import show_run
    from provision.cli.platform_guards import guarded_run
    from provision.platforms.platform_model import find

    assignment = prepared(hosts)
    steps = find(assignment.host.platform).steps(assignment, order)
    return show_run(guarded_run(assignment, steps, plan=order.plan), out, plan=order.plan, diff=diff)


def only_one(hosts: Sequence[InventoryHost]) -> InventoryHost:
    """Return the target of a run. Raises UsageError if there are several."""
    if len(hosts) > 1:
        names = ", ".join(host.name for host in hosts[:5])
        raise UsageError(f"{names} are on platforms, where prov deploys to one at a time", hint="Name one.")
    return hosts[0]


def prepared(hosts: Sequence[InventoryHost]) -> Assignment:
    """Return what a target gets, once it is found good. Raises ConfigErrors and UsageErrors."""
    from provision.cli.of_applications import no_applications
    from provision.platforms.platform_model import find
    from provision.roles.project import resolve

    host = only_one(hosts)
    (assignment,) = resolve([host], reach=False)
    if not assignment.served.apps:
        raise no_applications(hosts)
    if refs := host.inventory.refs:
        from provision.cli.other_releases import check_releases

        check_releases(refs, [assignment])
    find(host.platform).check(assignment)
    return assignment


def platform_status(hosts: Sequence[InventoryHost], app: str, out: Format) -> Exit:
    """Show once how the applications of targets are doing; returns the exit status. Raises ConfigErrors, UsageError,
    ProvError."""
    from provision.controller.events import Answered
    from provision.platforms.platform_model import find
    from provision.report.platform_report import PlatformStatusShown

    found = {host.name: find(host.platform).status(host, apps) for host, apps in apps_of(hosts, app)}
    show_answers(
        [Answered(host, "status", values) for host, values in found.items()], out, PlatformStatusShown
    )
    return Exit.DONE if all(values["ok"] for values in found.values()) else Exit.CHANGES


def platform_logs(hosts: Sequence[InventoryHost], app: str, wanted: LogsWanted, out: Format) -> Exit:
    """Show what the applications of targets have logged. Raises ConfigErrors, UsageError, ProvError."""
    from provision.controller.events import Answered
    from provision.platforms.platform_model import find
    from provision.report.logs_report import LogsShown

    events = [
        Answered(host.name, "log", line)
        for host, apps in apps_of(hosts, app)
        for line in find(host.platform).logs(host, apps, wanted)
    ]
    most = 0 if wanted.seconds else wanted.lines
    show_answers(events, out, lambda: LogsShown(named=len(hosts) > 1, at_once=False, most=most))
    return Exit.DONE


def apps_of(hosts: Sequence[InventoryHost], app: str) -> list[tuple[InventoryHost, list[Application]]]:
    """Return targets with their applications. Raises ConfigErrors, UsageError. app: only this one."""
    from provision.cli.of_applications import no_applications, served_apps

    served = served_apps(hosts, app)
    for host in hosts:
        if not served[host.name]:
            raise no_applications([host])
    return [(host, served[host.name]) for host in hosts]


def show_answers(events: Iterable[Event], out: Format, for_people: Callable[[], Report]) -> None:
    """Show what targets have answered. for_people: makes the report for people."""
    from provision.controller.events import Summary

    report = out.answers(for_people)
    for event in events:
        report.take(event)
    report.close()
    report.finish(Summary(seconds=out.took()))
