"""What a target's platform remembers, and what a run over the target holds while it lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from provision.controller.events import StepDone
    from provision.inventory import InventoryHost
    from provision.platforms.platform_model import PlatformPast, Steps
    from provision.platforms.platform_run import Guard, PlatformRun
    from provision.roles.project import Assignment


def past_of(host: InventoryHost) -> PlatformPast:
    """Return what a target's platform remembers. Raises UsageError if it remembers nothing."""
    from provision.platforms.platform_model import find

    platform = find(host.platform)
    past = platform.past
    if past is None:
        hint = platform.instead(host, "rollback") or "prov status shows what runs there."
        raise UsageError(f"prov remembers nothing of {host.platform}, where {host.name} is", hint=hint)
    return past


def guard_of(host: InventoryHost, *, plan: bool) -> Guard:
    """Return what a run over a target holds. Raises ConfigErrors, UsageError. plan: of a plan, which holds nothing."""
    from provision.controller.run_options import who
    from provision.platforms.platform_model import find
    from provision.platforms.platform_run import unguarded
    from provision.platforms.target_lock import TargetLock

    past = find(host.platform).past
    if past is None:
        return unguarded
    lock = TargetLock(past.records(host), who())
    return lock.noted if plan else lock.held


def guarded_run(
    assignment: Assignment,
    steps: Steps,
    *,
    plan: bool,
    approve: Callable[[Sequence[StepDone]], None] | None = None,
    aside: bool = False,
) -> PlatformRun:
    """Return a run of steps over a target, which holds what such a run holds. Raises ConfigErrors, UsageError.

    approve: see PlatformRun.  aside: without the target's lock.
    """
    from provision.platforms.platform_run import PlatformRun, approve_all, unguarded

    host, hide = assignment.host, assignment.masks().hide
    guard = unguarded if aside else guard_of(host, plan=plan)
    approve = approve or approve_all
    return PlatformRun(host.name, host.platform, steps, hide, plan=plan, guard=guard, approve=approve)
