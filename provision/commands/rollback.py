"""prov rollback: an earlier release of an application."""

from __future__ import annotations

import click

from provision.cli.of_applications import served_apps, target_and_app
from provision.cli.prepare import RolePart, Scope, all_on_platforms, assigned, meant
from provision.errors import UsageError
from provision.report.formats import Format


@click.command(epilog="Example:  prov rollback web1 shop 0a1b2c3d4e5f --check")
@target_and_app
@click.argument("release", required=False, default="")
@click.option("--check", is_flag=True, help="Change nothing, only show what would change.")
@click.option("--no-hold", is_flag=True, help="Let further deploys of the application through.")
@click.option(
    "--force",
    is_flag=True,
    help="Go back although the database has migrations that the release does not know.",
)
def rollback(
    scope: Scope, out: Format, app: str, release: str, check: bool, no_hold: bool, force: bool
) -> int:
    """Go back to an earlier release of an application: its code, environment, units, workers and jobs.

    RELEASE is a name that `prov releases` shows, or its beginning; by default the one deployed before the one in
    service. APP may be left out if a host has one application. Secrets keep the values of now. The release
    starts beside the one in service, and the front turns to it once it answers its health path. If it does
    not, all stays as it was. Afterwards deploys of the application are held until `prov resume`.

    Exit status: 0 done; 1 a step or host failed, or there is nothing to go back to; 2 usage or configuration;
    3 with --check, there is something to change; 4 a host could not be reached; 130 interrupted.
    """
    hosts = meant(scope)
    on_platforms = all_on_platforms(hosts)
    assignments = [] if on_platforms else assigned(scope, RolePart(), hosts=hosts)
    found = served_apps(hosts if on_platforms else [assignment.host for assignment in assignments], app)
    for host, apps in found.items():
        if len(apps) != 1:
            names = ", ".join(each.name for each in apps)
            raise UsageError(
                f"{host} has several applications: {names}" if apps else f"{host} has no application",
                hint=f"Name one:  prov rollback {scope.target} {apps[0].name}"
                if apps
                else "Leave that host out.",
            )
    if on_platforms:
        from provision.cli.platform_past import platform_rollback
        from provision.cli.platform_targets import only_one

        target = only_one(hosts)
        (chosen,) = found[target.name]
        return platform_rollback(target, chosen, release, out, plan=check, hold=not no_hold, force=force)
    from provision.cli.watch import Prompt, run_shown
    from provision.controller import project_commit
    from provision.controller.run_options import RunOptions
    from provision.report.reporting import Style
    from provision.run.going_back import Choice, rollback

    if not check:
        project_commit.prefetch()
    targets = [assignment.host.name for assignment in assignments]
    report = out.report(Style(check, verbose=False, fleet=len(targets) > 1), targets, [])
    options = RunOptions(plan=check, forks=scope.forks)
    choice = Choice(app, release, hold=not no_hold, force=force)
    return run_shown(assignments, options, Prompt(report), out, rollback(choice))
