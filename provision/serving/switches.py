"""How applications will go from one instance to the next, as a plan foresees it from its steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from provision.controller.events import Switch
from provision.steps.releases_served import ReleaseServed, SchemaKnown
from provision.steps.services import Service
from provision.steps.support.making_way import REFUSED

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.roles.role_host import Host


def switches(c: Host, memory: str) -> Iterator[Switch]:
    """Yield how each application that is in service goes to its next instance, or to another front.

    memory: what is missing of it for two instances, or "". Reads outcomes, so all steps must have been planned.
    """
    for app in c.apps:
        gaps = list(front_gaps(c, app))
        switched = changes_instance(c, app)
        if switched and memory:
            gaps.append(memory)
        if switched:
            gaps += rewrites(c, app)
        if switched or gaps:
            yield Switch(c.name, app.name, tuple(gaps))


def changes_instance(c: Host, app: Application) -> bool:
    """Return whether another instance than the one in service is going to serve an application."""
    return any(
        change.before and change.what in ("release", "instance")
        for outcome in c.started().outcomes.values()
        if isinstance(outcome.step, ReleaseServed) and outcome.step.home == app.release.home
        for change in outcome.diff
    )


def rewrites(c: Host, app: Application) -> Iterator[str]:
    """Yield what pending migrations keep from being written to the database of an application."""
    for outcome in c.started().outcomes.values():
        if isinstance(outcome.step, SchemaKnown) and outcome.step.home == app.release.home:
            yield from json.loads(outcome.stdout or "{}").get("rewrites", ())


def front_gaps(c: Host, app: Application) -> Iterator[str]:
    """Yield why the front of an application is going to refuse connections for a moment."""
    for outcome in c.started().outcomes.values():
        step = outcome.step
        if isinstance(step, Service) and step.unit == app.front_role.unit:
            for change in outcome.diff:
                if change.what == "restart":
                    yield f"{step.unit} restarts ({change.after}), and refuses connections until it listens again"
                elif change.after.startswith(REFUSED):
                    yield f"{step.unit} takes over, and connections are {change.after}"
