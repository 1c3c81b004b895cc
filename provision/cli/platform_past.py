"""What commands do for targets on platforms with what these remember: releases, ways back, holds and locks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from provision.cli.platform_guards import guarded_run, past_of
from provision.errors import Exit
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.inventory import InventoryHost
    from provision.platforms.platform_model import Steps
    from provision.platforms.platform_run import PlatformStep
    from provision.report.formats import Format


def books(host: InventoryHost, apps: Sequence[Application]) -> dict[str, dict[str, Any]]:
    """Return what a platform remembers of applications, by name: as hosts answer it. Raises ConfigErrors, ProvError."""
    from provision.platforms.release_steps import ReleaseBook
    from provision.system.memory.records import Damaged

    past = past_of(host)
    records = past.records(host)
    found: dict[str, dict[str, Any]] = {}
    for app in apps:
        try:
            book = ReleaseBook(records, app.name).read_whole()
        except Damaged as error:
            found[app.name] = {"damaged": f"the record of {app.name} on {host.name} is damaged: {error}"}
            continue
        abouts = {name: entry["about"] for name, entry in book["instances"].items()}
        for name, why in (past.obstacles(host, abouts) if abouts else {}).items():
            book["instances"][name]["why"] = why
        found[app.name] = {**book, "unrecorded": [], "built": [], "current": ""}
    return found


def platform_releases(served: Iterable[tuple[InventoryHost, Sequence[Application]]], out: Format) -> Exit:
    """List the releases of applications. Raises ConfigErrors, ProvError. served: applications of each target."""
    from provision.cli.platform_targets import show_answers
    from provision.controller.events import Answered
    from provision.report.releases_report import ReleasesShown, for_programs

    events = [
        Answered(host.name, "releases", {"app": name, **for_programs(book)})
        for host, apps in served
        for name, book in books(host, apps).items()
    ]
    show_answers(events, out, ReleasesShown)
    return Exit.DONE


def platform_rollback(
    host: InventoryHost, app: Application, release: str, out: Format, *, plan: bool, hold: bool, force: bool
) -> Exit:
    """Go back to an earlier release, or plan it; return the exit status. Raises ConfigErrors, UsageError, ProvError
    before anything is changed. release: its name, or the beginning; "" for the one before."""
    from provision.platforms.platform_model import EarlierRelease
    from provision.run.going_back import book_of, chosen, newer_schema, unknown_migrations

    past = past_of(host)
    book = book_of(books(host, [app]), app)
    name = chosen(book, app, release)
    entry = book["instances"][name]
    if said := unknown_migrations(app, book, entry):
        if not force:
            raise newer_schema(said)
        say(f"prov: {said}; its code meets the newer schema", err=True)
    wanted = EarlierRelease(app.name, name, entry["release"], entry["about"], hold)
    status = run_over(host, past.back(host, wanted), out, plan=plan)
    if hold and status == Exit.DONE:
        say(
            f"prov: deploys of {app.name} are held; prov resume {host.name} {app.name} lets them through",
            err=True,
        )
    return status


def platform_resume(served: Iterable[tuple[InventoryHost, Sequence[Application]]], out: Format) -> Exit:
    """Let deploys of applications through; return the exit status. served: applications of each target."""
    from provision.platforms.release_steps import DeploysResumed, ReleaseBook

    worst = Exit.DONE
    for host, apps in served:
        records = past_of(host).records(host)
        lifted = [DeploysResumed(ReleaseBook(records, app.name)) for app in apps]
        worst = max(worst, run_over(host, always(lifted), out, plan=False))
    return worst


def platform_lock(hosts: Sequence[InventoryHost], reason: str, out: Format) -> Exit:
    """Lock targets for everyone, or lift that lock; return the exit status. reason: "" lifts it."""
    from provision.controller.run_options import who
    from provision.platforms.target_lock import OperatorLocked

    worst = Exit.DONE
    for host in hosts:
        step = OperatorLocked(past_of(host).records(host), reason, who())
        worst = max(worst, run_over(host, always([step]), out, plan=False, aside=True))
    return worst


def always(steps: Sequence[PlatformStep]) -> Steps:
    """Return what gives these steps, without asking the platform first."""
    return lambda _: steps


def await_platform_locks(hosts: Sequence[InventoryHost], seconds: float) -> None:
    """Wait until targets are not locked. Raises ConfigErrors, ProvError after that many seconds."""
    from provision.controller.run_options import who
    from provision.platforms.target_lock import TargetLock

    for host in hosts:
        lock = TargetLock(past_of(host).records(host), who())
        lock.await_free(seconds, lambda text: say(f"prov: {text}", err=True))


def run_over(host: InventoryHost, steps: Steps, out: Format, *, plan: bool, aside: bool = False) -> Exit:
    """Run steps over a target, and show it; return the exit status. aside: without the target's lock."""
    from provision.cli.ec2_hosts import show_run
    from provision.controller import project_commit
    from provision.roles.project import Assignment

    if not plan:
        project_commit.prefetch()
    return show_run(guarded_run(Assignment(host), steps, plan=plan, aside=aside), out, plan=plan)
