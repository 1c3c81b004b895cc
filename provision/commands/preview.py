"""prov preview: a branch beside the live application."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.of_applications import named
from provision.cli.options import several_hosts
from provision.cli.prepare import RolePart, Scope, assigned
from provision.errors import Exit, UsageError
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.project import Assignment
    from provision.roles.role_host import Host
    from provision.run.work import Work


def variables(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """Return variables by name. Raises BadParameter."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", ctx, param)
        found[name] = value
    return found


@click.command(epilog="Example:  prov preview web1 --app shop --ref feature-x")
@several_hosts
@click.option("--app", default="", metavar="NAME", help="The live application.")
@click.option("--ref", default="", metavar="REF", help="The branch, tag or commit to serve.")
@click.option("--name", "label", default="", metavar="LABEL", help="Of the preview; by default made of REF.")
@click.option(
    "--domain", default="", metavar="NAME", help="By default LABEL before the live one's first domain."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=variables,
    help="A variable that differs from the live one's; may be repeated.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=7,
    show_default=True,
    help="After how many days it goes, from the last deploy of a new commit.",
)
@click.option("--with-processes", is_flag=True, help="Also run its workers and jobs.")
@click.option("--check", is_flag=True, help="Change nothing, only show what would change.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--list", "listing", is_flag=True, help="List the previews of the hosts.")
@click.option("--down", default="", metavar="PREVIEW", help="Remove a preview, with its data.")
def preview(
    scope: Scope,
    out: Format,
    app: str,
    ref: str,
    label: str,
    domain: str,
    settings: dict[str, str],
    days: int,
    with_processes: bool,
    check: bool,
    yes: bool,
    listing: bool,
    down: str,
) -> int:
    """Serve another branch of an application beside the live one, under a name of its own.

    The preview has the live one's settings and secrets, its own user, and copies of the databases in `uses`. It has no
    workers and jobs. prov shows what it would do, and asks. The same command again brings the preview to the newest
    commit of REF. Its processes end after its days, and the next deploy or preview of the host removes it.

    Exit status: 0 done; 1 a step or host failed; 2 usage or configuration; 3 with --check, there is something to
    change; 4 a host could not be reached; 130 interrupted.
    """
    making = bool(app or ref or label or domain or settings or with_processes)
    if listing + bool(down) + making != 1:
        raise UsageError(
            "say what to do: --app NAME --ref REF, or --list, or --down PREVIEW", hint="prov preview --help"
        )
    if listing:
        return listed(scope, out)
    from provision.run.previewing import brought_up, taken_down

    assignments = assigned(scope, RolePart())
    if len(assignments) != 1:
        names = ", ".join(each.host.name for each in assignments[:5])
        raise UsageError(f"{scope.target!r} matches {len(assignments)} hosts, expected one: {names}")
    (assignment,) = assignments
    if down:
        return confirmed(
            assignment, scope, out, taken_down(down), check=check, yes=yes, what=f"Remove {down}?"
        )
    from provision.apps.previewed_apps import PreviewOrder, check_variable, preview_of

    if not app or not ref:
        raise UsageError("a preview needs --app NAME and --ref REF", hint="prov preview --help")
    order = PreviewOrder(app, ref, label, domain, settings, days, with_processes)
    live = named(app, assignment.host.name, assignment.served.apps)
    for name in settings:
        check_variable(name)
    found = preview_of(live, order)
    taken = next(
        (a for a in assignment.served.every if found.name == a.name or found.domains[0] in a.names), None
    )
    if taken is not None:
        both = found.name if found.name == taken.name else found.domains[0]
        raise UsageError(f"{both} is that of the application {taken.name}", hint="Use --name or --domain.")
    # reads the source: an unknown ref is refused before any host is asked
    _ = found.release
    return confirmed(
        assignment, scope, out, brought_up(order), check=check, yes=yes, what=f"Serve {found.name}?"
    )


def confirmed(
    assignment: Assignment, scope: Scope, out: Format, work: Work, *, check: bool, yes: bool, what: str
) -> Exit:
    """Show what the work would change, ask, and do it; return the exit status."""
    if not check and not yes and (out.FOR_PROGRAMS or not sys.stdin.isatty()):
        raise UsageError("a preview needs --yes where prov can't ask", hint="With --check, it only shows.")
    if check or not yes:
        status = shown(assignment, scope, out, work, plan=True)
        if check or status != Exit.CHANGES:
            return status
        if not click.confirm(what, err=True):
            raise click.Abort
    return shown(assignment, scope, out, work, plan=False)


def shown(assignment: Assignment, scope: Scope, out: Format, work: Work, *, plan: bool) -> Exit:
    """Do the work, or plan it, and show each step; return the exit status."""
    from provision.cli.converge import builtin_of
    from provision.cli.diff_lines import diff_limit
    from provision.cli.watch import Prompt, run_shown
    from provision.controller import project_commit
    from provision.controller.run_options import RunOptions
    from provision.report.reporting import Style

    if not plan:
        project_commit.prefetch()
    roles = [role for role, _ in assignment.roles]
    limit = diff_limit(None, plan=plan, verbose=False)
    style = Style(plan, diff_lines=limit, builtin=builtin_of(roles))
    report = out.report(style, [assignment.host.name], sorted(role.name for role in roles))
    return run_shown([assignment], RunOptions(plan=plan, forks=scope.forks), Prompt(report), out, work)


def listed(scope: Scope, out: Format) -> Exit:
    """Show the previews of hosts; return the exit status."""
    from provision.cli.questions import ask
    from provision.report.previews_report import PreviewsShown

    def work(host: Host) -> None:
        from provision.controller.events import Answered
        from provision.run.previewing import known_previews

        found = [{"name": name, **record} for name, record in known_previews(host).items()]
        host.emit(Answered(host.name, "previews", {"previews": found}))

    return ask(scope, out, work, lambda hosts: PreviewsShown(), plan=True)
