"""Previews of applications come up beside the live ones, and go: by the roles and steps of any deploy.

What is made for a preview is remembered as made for it. So deploys of the host neither prune it nor name it, and taking
it down removes just that.
"""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from provision.apps.application import Application
from provision.apps.previewed_apps import PreviewOrder, preview_of
from provision.apps.renewals import state_path
from provision.controller.events import Notice, RoleStarted
from provision.controller.outcome import Outcome, StepFailed
from provision.errors import ProvError
from provision.roles.project import ServedApps
from provision.roles.role_host import Host
from provision.run.going_back import book_of, books
from provision.run.host_answers import answer_of
from provision.run.preflight import on_disk
from provision.run.work import Work
from provision.serving import workers
from provision.serving.app_parts import part_of
from provision.serving.instances import unit_name
from provision.serving.served_apps import served, url
from provision.steps import previews, timers
from provision.steps.holds import changes_allowed
from provision.system.builds.build_user import HOME as BUILDS
from provision.system.memory.preview_records import HOME, made_for
from provision.system.shapes import having, mapping

#: what a host answers of its previews: by name
KNOWN = mapping(having({}))


def brought_up(order: PreviewOrder) -> Work:
    """Return the work of serving a preview, or of bringing it to the newest commit of its ref."""

    def bring_up(host: Host) -> None:
        live = next(app for app in host.apps if app.name == order.app)
        preview = certified(host, preview_of(live, order))
        session = host.started()
        session.role = made_for(preview.name)
        book_of(books(host, [live]), live)
        release = preview.release
        size = [sum(map(on_disk, release.entries)), len(release.entries)]
        changes_allowed(host, [f"{HOME}/{live.name}"], {release.path: size}, [release.venv])
        record = recorded(host, preview, order)
        try:
            serve(host, live, preview)
            expire(host, preview, json.loads(record.stdout)["until"])
            session.wait_for_all()
        except ProvError:
            with contextlib.suppress(StepFailed):
                session.wait_for_all()
            session.acknowledge()
            if not host.planning and any(change.what == "preview" for change in record.answer.diff):
                host.drop_later()
                take_down(host, preview.name, json.loads(record.answer.stdout))
                session.wait_for_all()
            raise
        if not host.planning:
            host.emit(served(host, preview))
            host.emit(Notice(host.name, f"{preview.name} goes at {json.loads(record.stdout)['until']}"))

    return bring_up


def certified(host: Host, preview: Application) -> Application:
    """Return a preview whose certificate the private CA may sign; if it may not, it signs its own."""
    # imported here: it is a role of this process
    from roles.tls import Tls

    misfits = [*host.params(Tls).misfits([preview])] if preview.tls == "private-ca" else []
    return preview.model_copy(update={"tls": "self-signed"}) if misfits else preview


def recorded(host: Host, preview: Application, order: PreviewOrder) -> Outcome:
    """Have the host remember a preview, before anything of it is made."""
    (domain,) = preview.domains
    uses = [f"{binding.role} {binding.name}" for binding in preview.bindings]
    about = (order.app, order.ref, preview.commit, url(preview, domain), domain, order.days)
    return previews.preview(host, preview.name, *about, uses)


def serve(host: Host, live: Application, preview: Application) -> None:
    """Make what a preview uses, and have the roles of the live application serve the preview as well."""
    balancers = host.assignment.served.balancers
    alone = ServedApps((preview,), balancers=balancers, leads=frozenset({preview.name}), beside=True)
    host.assignment = replace(host.assignment, served=alone)
    for own, of in zip(preview.bindings, live.bindings):
        importlib.import_module(f"roles.{own.role}").copied(host, own, of)
    wanted = {"app", preview.server, preview.front, *(["tls"] if preview.tls != "none" else [])}
    try:
        for role, params in host.assignment.roles:
            if role.name in wanted:
                host.emit(RoleStarted(host.name, role.name))
                role.run(host, params)
        host.run_later()
    except StepFailed:
        host.run_on_failure()
        raise


def expire(host: Host, preview: Application, until: str) -> None:
    """Have the host itself stop a preview once its days are over; the next run removes it."""
    instance, _ = host.starting.get(preview.name, (None, []))
    units = []
    if instance is not None:
        web = unit_name(preview)
        units = [f"{web}@{name}.{kind}" for name in instance.names for kind in ("socket", "service")]
        units += workers.units(preview, instance.id, instance.workers)
        units += [name for name in instance.jobs if name.endswith(".timer")]
    calendar = until.replace("T", " ").replace("Z", " UTC")
    with part_of(host, preview):
        timers.timer(
            host,
            f"prov-preview-{preview.name}",
            ["/usr/bin/systemctl", "disable", "--now", *units],
            calendar=calendar,
        )


def taken_down(name: str) -> Work:
    """Return the work of removing a preview with all that was made for it."""

    def down(host: Host) -> None:
        known = known_previews(host)
        if name not in known:
            there = ", ".join(known) or "none"
            raise ProvError(f"{host.name} has no preview {name!r}", hint=f"There are: {there}")
        take_down(host, name, known[name])
        host.started().wait_for_all()

    return down


def known_previews(host: Host) -> dict[str, dict[str, Any]]:
    """Return what a host remembers of its previews, by name. Raises ProvError."""
    found: dict[str, dict[str, Any]] = answer_of(previews.previews_known(host), KNOWN)
    return found


def take_down(host: Host, name: str, record: Mapping[str, Any]) -> None:
    """Remove a preview: from the front inwards, then its data, and last what the host remembers of it."""
    session, user = host.started(), f"app-{name}"
    before, session.role = session.role, made_for(name)
    state = state_path(name)
    leftovers = [f"/var/lib/{user}", f"/run/{user}", f"{BUILDS}/{name}", state]
    previews.preview_gone(host, name, leftovers)
    if "damaged" in record:
        said = f"{record['damaged']}; a database that was made for {name} stays, if it has one"
        host.emit(Notice(host.name, said))
    for use in uses_of(record):
        role, _, thing = use.partition(" ")
        importlib.import_module(f"roles.{role}").copy_gone(host, thing, user)
    previews.preview_forgotten(host, name)
    session.role = before


def uses_of(record: Mapping[str, Any]) -> Sequence[str]:
    """Return what was made for a preview by roles that applications use, such as "postgres shop-feature-x"."""
    found: Sequence[str] = record.get("uses", ())
    return found
