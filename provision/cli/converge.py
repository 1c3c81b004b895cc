"""What deploy and plan share: from the command line to the hosts, and through the run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from provision.cli.diff_lines import diff_limit
from provision.cli.eager_connection import EagerConnection
from provision.cli.prepare import RolePart, Scope, all_on_platforms, assigned, meant
from provision.errors import Exit, UsageError
from provision.values import dataclass

if TYPE_CHECKING:
    from provision.cli.hooks import Hooks
    from provision.cli.sudo_password import AskOnce
    from provision.controller.run_options import OnSend
    from provision.inventory import Inventory, InventoryHost
    from provision.report.formats import Format
    from provision.roles.project import Assignment
    from provision.roles.reach import PendingConnection
    from provision.roles.role_model import Role
    from provision.run.work import Work


@dataclass(frozen=True)
class ConvergeOptions:
    """What the command line asks for; see the options' help."""

    scope: Scope
    part: RolePart
    out: Format
    diff: bool | None = None
    verbose: bool = False
    step: bool = False
    prune: bool = False
    undo_on_failure: bool = False
    force: bool = False
    batch: Sequence[str] = ()
    max_failures: str = "0"
    go_back: bool = True
    bake: float = 0
    releases: Mapping[str, str] = field(default_factory=dict)
    dry_build: bool = False
    go_on: bool = False
    drain: bool = False

    def assignments(
        self,
        begin: Callable[[Sequence[InventoryHost]], None] = lambda hosts: None,
        hosts: Sequence[InventoryHost] | None = None,
    ) -> list[Assignment]:
        """Return what each host gets. Raises as `assigned`. begin, hosts: as of it."""
        found = assigned(self.scope, self.part, begin, self.releases, hosts)
        if self.dry_build:
            # imported here: few runs only build
            from provision.cli.dry_builds import only_builds

            return only_builds(found)
        return found

    @property
    def only_for_hosts(self) -> list[str]:
        """Return the given options that targets on platforms do not have."""
        options = {
            "--role, --tags, --skip-tags, --start-at": self.part != RolePart(),
            "--step": self.step,
            "--undo-on-failure": self.undo_on_failure,
            "--batch": self.batch,
            "--bake": self.bake,
            "--dry-build": self.dry_build,
            "--continue": self.go_on,
        }
        return [option for option, given in options.items() if given]


def converge(order: ConvergeOptions, *, plan: bool) -> Exit:
    """Deploy or plan; returns the exit status. Raises ConfigErrors and UsageErrors before any connection."""
    scope = order.scope
    eager = EagerConnection([scope.target, scope.limit or "", *scope.inventory], plan=plan)
    hosts = meant(scope, order.releases)
    if all_on_platforms(hosts):
        # imported here: most targets are hosts
        from provision.cli.platform_targets import converge_platform
        from provision.platforms.platform_model import DeployOrder

        for option in order.only_for_hosts:
            raise UsageError(f"{option}: only deploys to hosts have this", hint="Leave it out.")
        deploy = DeployOrder(plan=plan, prune=order.prune, force=order.force)
        return converge_platform(hosts, deploy, order.out, order.diff)
    assignments = order.assignments(eager.begin, hosts)
    eager.found_good()
    waves = order.batch or scope.forks == 1
    if order.go_on or (waves and not plan and not order.dry_build and len(assignments) > 1):
        return in_waves(order, assignments, plan=plan)
    return execute(order, assignments, plan=plan, pending=eager.pending)


def in_waves(order: ConvergeOptions, assignments: Sequence[Assignment], *, plan: bool) -> Exit:
    """Deploy so that it can be continued if it stops, or continue such a deploy; returns the exit status."""
    # imported here: few deploys have waves
    from provision.cli.continued_deploys import left_of
    from provision.cli.watch import asker
    from provision.run.standings import digest_of

    ask, digest, left = asker(order.out), digest_of(assignments), assignments
    if order.go_on:
        left = left_of(assignments, digest, order.scope, ask, order.out)
    names = {each.host.name for each in left}
    done = {app.name for each in assignments if each.host.name not in names for app in each.served.apps}
    return execute(order, left, plan=plan, ask=ask, brought=digest, group_done=done)


def execute(
    order: ConvergeOptions,
    assignments: Sequence[Assignment],
    *,
    plan: bool,
    on_send: OnSend | None = None,
    ask: AskOnce | None = None,
    drift: bool = False,
    pending: PendingConnection | None = None,
    brought: str = "",
    group_done: Collection[str] = (),
) -> Exit:
    """Run what the configuration says, and show it; returns the exit status.

    on_send: called for each step.  ask: knows sudo's password if an earlier run of this command asked for it.
    pending: a connection to the first host that is already being opened.
    drift: report only what differs from the inventory, and why; "may change" does not count.
    brought: digest of what it brings, for hosts to remember.  group_done: as of RunOptions.
    """
    if not plan:
        # imported here: completion imports this module and must be quick
        from provision.controller import project_commit

        project_commit.prefetch()
    # imported here: it brings the SSH library, which help and configuration errors do not need
    from provision.roles.reach import PendingConnection

    pending = pending or PendingConnection(assignments[0].host, plan=plan)
    from provision.cli.stepping import Stepper, check_can_step
    from provision.cli.watch import Prompt, run_shown
    from provision.controller.run_options import RunOptions
    from provision.report.reporting import Style
    from provision.run.waves import batch_of, most_failures, sizes

    if order.step:
        check_can_step(plan=plan, out=order.out)
    fleet, names = len(assignments) > 1, [a.host.name for a in assignments]
    limit = diff_limit(order.diff, plan=plan, verbose=order.verbose)
    roles = {role.name: role for a in assignments for role, _ in a.roles}
    style = Style(plan, order.verbose, limit, fleet, builtin_of(roles.values()), order.step)
    if drift:
        from provision.report.drift_report import DriftShown

        report = order.out.answers(lambda: DriftShown(style))
    else:
        report = order.out.report(style, names, sorted(roles))
    hooks = (
        None
        if plan or order.dry_build
        else project_hooks(assignments[0].host.inventory, order.scope.target, names)
    )
    if hooks is not None:
        hooks.begin()
        report = hooks.listening(report)
    prompt = Prompt(report)
    forks = 1 if order.step else order.scope.forks
    options = RunOptions(
        plan=plan,
        forks=forks,
        ask=ask,
        confirm=Stepper(prompt) if order.step else None,
        on_send=on_send,
        maybe_counts=not drift,
        force=order.force,
        dry_build=order.dry_build,
        group_done=group_done,
        waves=sizes(batch_of(order.batch, forks=forks, plan=plan), len(assignments)),
        max_failures=most_failures(order.max_failures, len(assignments)),
    )
    status = run_shown(
        assignments, options, prompt, order.out, work_of(order, plan=plan, brought=brought), pending
    )
    return status if hooks is None else hooks.end(status)


def project_hooks(inventory: Inventory, target: str, hosts: Sequence[str]) -> Hooks | None:
    """Return the hooks of this project's deploys; None if it has none. Raises ConfigErrors."""
    if inventory.hooks is None:
        return None
    # imported here: few projects have some
    from provision.cli.hooks import hooks_of

    return hooks_of(*inventory.hooks, target, hosts)


def builtin_of(roles: Iterable[Role]) -> frozenset[str]:
    """Return the names of those roles that come with prov."""
    from provision.declared.role_folders import BUILTIN

    return frozenset(role.name for role in roles if role.folders[0].parent.resolve() == BUILTIN)


def work_of(order: ConvergeOptions, *, plan: bool, brought: str = "") -> Work:
    """Return the work for each host. Raises UsageError if only some roles are to be pruned. brought: as of execute."""
    from provision.run.work import and_tell_served, or_tell_owed, or_undo, run_and_prune, run_roles, run_whole

    whole = order.part == RolePart() and not order.step and not order.dry_build
    if order.prune and not whole:
        raise UsageError(
            "--prune needs all roles: what some of them do not declare, others may",
            hint="Leave out --role, --tags, --skip-tags, --start-at and --step.",
        )
    work: Work = run_and_prune if order.prune else run_whole if whole else run_roles
    if order.bake and not plan:
        # imported here: few deploys are watched
        from provision.run.watching import watched

        work = watched(work, order.bake)
    if not order.dry_build:
        # imported here: completion imports this module and must be quick
        from provision.run.past_previews import without_past_previews

        work = without_past_previews(work)
    work = and_tell_served(work)
    if brought and not plan:
        # imported here: few deploys have waves
        from provision.run.standings import noted

        work = noted(work, brought)
    if order.go_back and not plan:
        from provision.run.going_back import or_go_back

        work = or_go_back(work)
    if order.undo_on_failure:
        work = or_undo(work)
    elif not plan:
        work = or_tell_owed(work)
    if order.drain and not plan:
        # imported here: few deploys do
        from provision.run.draining import drained

        work = drained(work)
    return work


def list_only(order: ConvergeOptions) -> Exit:
    """Show the steps that a deploy would take, as far as they are known without a host."""
    from provision.cli.list_steps import show_steps

    show_steps(order.assignments(), order.out, dry_build=order.dry_build)
    return Exit.DONE
