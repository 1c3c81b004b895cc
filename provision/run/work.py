"""What a run does with a host once its session has begun. It waits for the steps that it submits."""

from __future__ import annotations

from collections.abc import Callable

from provision.controller.events import Attention, ReleaseBuilt, RoleStarted
from provision.controller.outcome import Outcome, StepFailed
from provision.errors import UnreachableError
from provision.inventory import Problems
from provision.roles.role_host import Host
from provision.run.preflight import preflight
from provision.steps.base import listed
from provision.steps.services import Service

Work = Callable[[Host], None]


def run_roles(host: Host) -> None:
    """Run every role in order, then what roles have deferred: the work of a deploy or plan."""
    session = host.started()
    preflight(host)
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
        while host.at_end:
            host.at_end.pop(0)()
    except StepFailed:
        # the agent has started and takes steps
        host.run_on_failure()
        raise


def or_tell_owed(work: Work) -> Work:
    """Return work that, if a step fails, names the units that have not read what has changed, and raises."""

    def work_or_tell(host: Host) -> None:
        try:
            work(host)
            host.started().wait_for_all()
        except StepFailed:
            tell_owed(host)
            raise

    return work_or_tell


def tell_owed(host: Host) -> None:
    """Name the units that a failure keeps from reading what has changed (decision D5)."""
    # a unit that has been seen to since owes nothing: the front after a way back
    last = {
        each.step.name: each for each in host.started().outcomes.values() if isinstance(each.step, Service)
    }
    for outcome in last.values():
        step = outcome.step
        # a new instance of an application has not read anything yet
        if isinstance(step, Service) and outcome.was_skipped and not outcome.about.app:
            refs = (*step.restart_on, *step.reload_on)
            changed = [ref.label for ref in refs if isinstance(ref, Outcome) and ref.known_change]
            if changed:
                text = f"{step.unit} has not read what this run changed: {listed(changed)}; the next deploy sees to it"
                host.emit(Attention(host.name, text))


def and_tell_served(work: Work) -> Work:
    """Return work that, once it is done, says what is served."""

    def work_and_tell(host: Host) -> None:
        work(host)
        # after a failed step, other things are served
        host.started().wait_for_all()
        tell_served(host)

    return work_and_tell


def tell_served(host: Host) -> None:
    """Have reports say what a deploy has put into service, and which certificates end soon."""
    if host.dry_build:
        tell_built(host)
    elif "app" in [role.name for role, _ in host.assignment.roles]:
        # imported here: hosts without applications need none of it
        from provision.serving.served_apps import ending_certificates, served_apps

        for each in (*(() if host.planning else served_apps(host)), *ending_certificates(host)):
            host.emit(each)


def tell_built(host: Host) -> None:
    """Have reports say which releases are built, and which of them are in service already."""
    if host.planning:
        return
    # imported here: few runs only build
    from provision.steps.built_releases import LIVE

    for app in host.apps:
        live = host.built[app.name].stdout == LIVE
        host.emit(ReleaseBuilt(host.name, app.name, app.release.id, app.commit, live))


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
