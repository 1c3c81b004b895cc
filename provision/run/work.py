"""What a run does with a host once its session has begun. It waits for the steps that it submits."""

from __future__ import annotations

from collections.abc import Callable

from provision.controller.events import Notice, RoleStarted
from provision.controller.outcome import Outcome, StepFailed
from provision.errors import UnreachableError
from provision.inventory import Problems
from provision.roles.role_host import Host
from provision.steps.holds import changes_allowed

Work = Callable[[Host], None]


def run_roles(host: Host) -> None:
    """Run every role in order, then what roles have deferred: the work of a deploy or plan."""
    session = host.started()
    homes = homes_of(host)
    allowed = changes_allowed(host, homes) if homes else None
    refuse_unmet(host)
    backing = [role.name for role, _ in host.assignment.roles if role.backing]
    try:
        for role, params in host.assignment.roles:
            session.role = role.name
            host.begun.append(role.name)
            host.emit(RoleStarted(host.name, role.name))
            role.run(host, params)
            if role.name in backing[-1:]:
                host.provides_now()
        host.run_later()
        session.wait_for_all()
        if host.planning and allowed:
            tell_refusals(host, allowed)
        tell_served(host)
    except StepFailed:
        # the agent has started and takes steps
        host.run_on_failure()
        raise


def homes_of(host: Host) -> list[str]:
    """Return the folders of the applications that a run of these roles deploys."""
    names = {role.name for role, _ in host.assignment.roles}
    return [f"/srv/{app.name}" for app in host.apps if names & {"app", app.server, app.front}]


def tell_refusals(host: Host, allowed: Outcome) -> None:
    """Say what a deploy would refuse. allowed: the step that has asked."""
    for line in allowed.stdout.splitlines():
        host.emit(Notice(host.name, line))


def tell_served(host: Host) -> None:
    """Have reports say what a deploy has put into service."""
    if "app" in [role.name for role, _ in host.assignment.roles] and not host.planning:
        # imported here: hosts without applications need none of it
        from provision.serving.served_apps import served_apps

        for each in served_apps(host):
            host.emit(each)


def refuse_unmet(host: Host) -> None:
    """Check the requirements and sources of all roles before anything is changed. Raises ProvError, and
    ConfigErrors with everything that is not met."""
    problems = Problems()
    for _, params in host.assignment.roles:
        for error in params.unmet(host) if params else ():
            problems.add(error)
    problems.raise_any()


def run_whole(host: Host) -> None:
    """Run all roles of a host, and have it name what earlier runs made and this run does not declare."""
    run_roles(host)
    host.started().whole = True


def run_and_prune(host: Host) -> None:
    """Run all roles of a host, then remove what is no longer declared."""
    from provision.steps.prune import prune

    run_roles(host)
    session = host.started()
    session.role = ""
    # after a failure it is unknown what is declared
    session.wait_for_all()
    prune(host)


def or_undo(work: Work) -> Work:
    """Return work that puts back its changes if it fails, and raises what failed."""

    def work_or_undo(host: Host) -> None:
        from provision.steps.undo import THIS, undo

        session = host.started()
        try:
            work(host)
            session.wait_for_all()
        except UnreachableError:
            raise
        except Exception:
            if session.ended:
                raise
            session.acknowledge()
            session.role = ""
            undo(host, THIS).wait()
            raise

    return work_or_undo
