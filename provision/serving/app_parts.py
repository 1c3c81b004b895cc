"""Steps of an application, named as such: reports show them together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from provision.apps.app_model import App
from provision.controller.events import About

if TYPE_CHECKING:
    from provision.roles.role_host import Host


@contextmanager
def part_of(c: Host, app: App, part: str = "", setting: str = "") -> Iterator[None]:
    """Have the steps in the block be those of an application. part: as of About.  setting: the one that they are
    about."""
    session = c.started()
    said_in = str(c.inventory.origin("apps", app.name, setting) or "") if setting else ""
    before, session.about = session.about, About(app.name, part, said_in)
    try:
        yield
    finally:
        session.about = before
