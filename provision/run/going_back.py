"""Going back to an earlier release: its recorded instance takes the way of a deploy, with no source at hand."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from provision.apps.app_releases import visible
from provision.apps.application import Application
from provision.apps.code_migrations import schema_of
from provision.controller.events import Attention, Notice, RoleStarted
from provision.controller.outcome import StepFailed
from provision.errors import ProvError, UnreachableError
from provision.roles.role_host import Host
from provision.run.host_answers import answer_of
from provision.run.work import Work, or_undo
from provision.serving import starting
from provision.serving.app_parts import part_of
from provision.serving.instances import Instance, environment_path
from provision.serving.recorded import RecordedInstance, recorded
from provision.steps import failed_releases, releases, releases_served
from provision.steps.configuration import Configuration
from provision.system.memory.release_book import in_order, newer, person
from provision.system.shapes import having, mapping
from provision.values import dataclass

#: what a host answers of its releases: by home
KNOWN = mapping(having({}))


@dataclass(frozen=True)
class Choice:
    """What to go back to. app: name of the application; "" for the only one of a host.

    release: name of the release, or its beginning; "" for the one before.  hold: hold further deploys.
    force: also onto a database with later migrations.
    """

    app: str = ""
    release: str = ""
    hold: bool = True
    force: bool = False


def rollback(choice: Choice) -> Work:
    """Return the work of going back. If that fails, all is put back as it was."""

    def go_back(host: Host) -> None:
        app = chosen_app(host, choice.app)
        found = earlier_instance(host, app, choice)
        or_undo(lambda host: switch(host, [found]))(host)
        if choice.hold and not host.planning:
            text = f"deploys of {app.name} are held; prov resume {host.name} {app.name} lets them through"
            host.emit(Attention(host.name, text))

    return go_back


def earlier_instance(host: Host, app: Application, choice: Choice) -> RecordedInstance:
    """Return the instance to go back to, and have the roles see what the host then serves. Raises ProvError."""
    known = books(host)
    book = book_of(known, app)
    name = chosen(book, app, choice.release)
    entry = book["instances"][name]
    found = replace(recorded(app, name, entry["release"], entry["about"]), holds=choice.hold)
    refuse_newer_schema(host, app, book, entry, force=choice.force)
    serve_recorded(host, known, {app.name: found})
    return found


def switch(host: Host, instances: Sequence[RecordedInstance], *, turned: bool = True) -> None:
    """Start recorded instances, turn the front to them, and stop those in service: as a deploy does it.

    turned: the front may use others; if not, it is left alone, as it may be what fails.
    """
    session = host.started()
    for instance in instances:
        release, app = instance.release, instance.application
        session.role = "app"
        values = {name: str(value) for name, value in visible(release.environment).items()}
        with part_of(host, app, "environment"):
            releases_served.environment_before(host, environment_path(app), values, instance.secrets)
        if app.static:
            with part_of(host, app):
                releases.releases_before(host, release.home, release.id, count=app.keep_releases - 1)
        host.later(lambda r=release: starting.settle(host, r))  # type: ignore[misc]
    fronts = {instance.app.front for instance in instances} if turned else set()
    try:
        for instance in instances:
            session.role = instance.app.server
            starting.start(host, instance)
        for role, params in host.assignment.roles:
            if role.name in fronts:
                session.role = role.name
                host.emit(RoleStarted(host.name, role.name))
                role.run(host, params)
        host.run_later()
        session.wait_for_all()
    except StepFailed:
        host.run_on_failure()
        raise


def or_go_back(work: Work) -> Work:
    """Return work that, if it fails after a front has begun to turn to new releases, serves those before again."""

    def work_or_back(host: Host) -> None:
        try:
            work(host)
            host.started().wait_for_all()
        except UnreachableError:
            raise
        except Exception:
            session = host.started()
            if session.ended:
                raise
            # also a mistake in a role: what it has submitted before must have ended
            with contextlib.suppress(StepFailed):
                session.wait_for_all()
            fronts = {role.name for role, _ in host.assignment.roles if role.front is not None}
            if fronts & set(host.begun):
                turn_back(host)
            raise

    return work_or_back


def turn_back(host: Host) -> None:
    """Serve again what was in service before this run, of the applications that it has started a new instance of."""
    session = host.started()
    session.acknowledge()
    session.role = ""
    host.drop_later()
    try:
        begun = newly_started(host)
        if not begun:
            return
        known, found, failed = books(host), {}, {}
        for app, new in begun:
            book = known[app.name]
            name = before_run(book, new.id)
            if not name:
                host.emit(Notice(host.name, f"{app.name} has no earlier release to go back to"))
                continue
            entry = book["instances"][name]
            later = unknown_to({*book["schema"], *schema_of(new.release)}, entry)
            if later:
                host.emit(
                    Notice(host.name, staying_forward(host.name, app.name, new.release.id, entry, later))
                )
                continue
            found[app.name] = recorded(app, name, entry["release"], entry["about"])
            failed[app.name] = new.release.id
        if found:
            serve_recorded(host, known, found)
            switch(host, list(found.values()), turned=has_turned(host))
        for name, instance in found.items():
            # a release that was in service for moments is not one to go back to
            with part_of(host, instance.app):
                failed_releases.failed_release(host, f"/srv/{name}", failed[name])
        for name, instance in found.items():
            said = f"{name} is served by release {instance.release.id}, as before this run"
            host.emit(Notice(host.name, f"{said}; {NEXT.format(host=host.name, app=name)}"))
    except ProvError as problem:
        session.acknowledge()
        host.emit(Notice(host.name, f"could not go back to the releases before: {problem.message}"))


def has_turned(host: Host) -> bool:
    """Return whether a front may use a new release: a step of its role has changed something, or has failed. A
    configuration that its program refuses stays as it was."""
    fronts = {role.name for role, _ in host.assignment.roles if role.front is not None}
    return any(
        each.known_change or (each.error is not None and not isinstance(each.step, Configuration))
        for each in host.started().outcomes.values()
        if each.role in fronts
    )


def newly_started(host: Host) -> list[tuple[Application, Instance]]:
    """Return the applications that this run has started a new instance of, each with it. Asks the host nothing."""
    found = []
    for app in host.apps:
        new, started = host.starting.get(app.name, (None, []))
        if new is not None and any(outcome.known_change for outcome in started):
            found.append((app, new))
    return found


#: what to do after a deploy that has failed
NEXT = "see prov logs {host} {app} --since 10m, mend it, and deploy again"


def before_run(book: Mapping[str, Any], new: str) -> str:
    """Return the instance that was in service before a run; "" without one. new: the one that the run has started."""
    name: str = book.get("live", "")
    name = book.get("before", "") if name == new else name
    return name if name in book.get("instances", {}) else ""


def staying_forward(host: str, app: str, new: str, entry: Mapping[str, Any], later: Sequence[str]) -> str:
    """Return why a failed run does not go back to a release."""
    return (
        f"{app} stays at release {new}: its database has migrations that release {entry['release']} does not know:"
        f" {', '.join(later)}; if they fit nevertheless: prov rollback {host} {app} {entry['release']} --force"
    )


def chosen_app(host: Host, name: str) -> Application:
    """Return an application of the host by its name, or its only one, as the command has found it. Raises ProvError if
    there is no way back of its kind."""
    app = next(app for app in host.apps if name in ("", app.name))
    if app.auth is not None and app.auth.by == "django":
        raise ProvError(
            f"{app.name} has `auth: django`, whose Apache belongs to a release: there is no rollback of it",
            hint="Check out the earlier state of your project and run prov deploy.",
        )
    return app


def books(host: Host, apps: Sequence[Application] = ()) -> dict[str, dict[str, Any]]:
    """Return what the host remembers of its applications, by name. Raises ProvError.

    apps: those to ask about; all of them by default.
    """
    homes = {f"/srv/{app.name}": app.name for app in apps or host.apps}
    found: dict[str, dict[str, Any]] = answer_of(releases_served.releases_known(host, list(homes)), KNOWN)
    return {homes[home]: book for home, book in found.items() if home in homes}


def book_of(known: Mapping[str, dict[str, Any]], app: Application) -> dict[str, Any]:
    """Return an application's book. Raises ProvError without one."""
    book = known.get(app.name, {})
    if "damaged" in book:
        raise ProvError(f"{book['damaged']}", hint="A deploy writes it again.")
    if not book.get("live"):
        raise ProvError(
            f"the host remembers no release of {app.name}",
            hint="A version of prov that recorded none deployed it. Deploy once; later releases can be left again."
            if book.get("current")
            else "It has not been deployed there:  prov deploy HOST",
        )
    return book


def chosen(book: Mapping[str, Any], app: Application, wanted: str) -> str:
    """Return the name of the instance to go back to. Raises ProvError with the list of those there are."""
    ordered = in_order(dict(book))
    live = book["live"]
    deployed = [name for name, _ in ordered]
    earlier = deployed[: deployed.index(live)] if live in deployed else deployed
    if not wanted:
        able = [name for name in earlier if not book["instances"][name]["why"]]
        if not able:
            raise ProvError(f"{app.name} has no earlier release to go back to", hint=listing(book))
        return able[-1]
    found = [
        name
        for name, entry in ordered
        if name != live and (entry["release"].startswith(wanted) or name.startswith(wanted))
    ]
    if not found:
        current = book["instances"].get(live, {}).get("release", "")
        why = "is in service" if current.startswith(wanted) else "is not on the host, or was pruned"
        if any(name.startswith(wanted) for name in book.get("built", ())):
            why = "was built ahead and has not been in service: only a deploy puts it there"
        raise ProvError(f"release {wanted!r} of {app.name} {why}", hint=listing(book))
    if len({book["instances"][name]["release"] for name in found}) > 1:
        raise ProvError(f"{wanted!r} begins several releases of {app.name}", hint=listing(book))
    name = found[-1]
    why = book["instances"][name]["why"]
    if why:
        raise ProvError(f"release {wanted!r} of {app.name} can't be served again: {why}", hint=listing(book))
    return name


def listing(book: Mapping[str, Any]) -> str:
    """Return the releases of a book, as a hint."""
    lines = []
    for name, entry in reversed(in_order(dict(book))):
        state = "in service" if name == book["live"] else entry["why"]
        words = [entry["release"], entry["at"], person(entry.get("who", "")), entry.get("commit", ""), state]
        lines.append("  " + "  ".join(filter(None, words)))
    return "\n".join(["There are:", *lines])


def unknown_to(schema: Collection[str], entry: Mapping[str, Any]) -> list[str]:
    """Return the migrations of a database that a recorded release does not know."""
    own = entry["about"]["migrations"]
    return sorted({*newer(list(schema), own), *(each for each in schema if each not in own)})


def refuse_newer_schema(
    host: Host, app: Application, book: Mapping[str, Any], entry: Mapping[str, Any], *, force: bool
) -> None:
    """Raise ProvError if the database has migrations that a release does not know; with force, say so."""
    said = unknown_migrations(app, book, entry)
    if not said:
        return
    if force:
        host.emit(Notice(host.name, f"{said}; its code meets the newer schema"))
        return
    raise newer_schema(said, " (prov manage HOST APP migrate ...)")


def unknown_migrations(app: Application, book: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Return a sentence about migrations of the database that a release does not know; "" if it knows all."""
    later = unknown_to(book["schema"], entry)
    said = f"the database of {app.name} has migrations that release {entry['release']} does not know"
    return f"{said}: {', '.join(later)}" if later else ""


def newer_schema(said: str, how: str = "") -> ProvError:
    """Return the error for a way back to code that does not know the database. how: to migrate back, in brackets."""
    return ProvError(
        said,
        hint=f"Migrate back with the code in service first{how}, then use --force."
        " Without that, --force risks errors and lost data wherever the old code meets the newer schema.",
    )


def serve_recorded(
    host: Host, known: Mapping[str, dict[str, Any]], chosen: Mapping[str, RecordedInstance]
) -> None:
    """Have the roles of this host see its applications as they are served, and the chosen ones as they will be.

    Raises ProvError if the host has no record of one that it serves.
    """
    apps = []
    for app in host.apps:
        book = known.get(app.name, {})
        if app.name in chosen:
            found = chosen[app.name]
        elif book.get("live"):
            entry = book["instances"][book["live"]]
            found = recorded(app, book["live"], entry["release"], entry["about"])
        elif book.get("current"):
            raise ProvError(
                f"the host has no record of the release of {app.name} that it serves, and both share a front",
                hint="Deploy once with this version of prov; it records all that is in service.",
            )
        else:
            # declared, but not deployed yet
            continue
        host.recorded[app.name] = found
        apps.append(found.application)
    served = replace(host.assignment.served, apps=tuple(apps))
    host.assignment = replace(host.assignment, served=served)
