"""Previews whose days are over go with the next deploy of their host."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from provision.controller.events import Notice
from provision.run.work import Work
from provision.steps.holds import ChangesAllowed

if TYPE_CHECKING:
    from provision.roles.role_host import Host


def without_past_previews(work: Work) -> Work:
    """Return work that also removes previews whose days are over."""

    def work_and_remove(host: Host) -> None:
        work(host)
        host.started().wait_for_all()
        asked = [each for each in host.started().outcomes.values() if isinstance(each.step, ChangesAllowed)]
        names = [str(name) for each in asked for name in json.loads(each.stdout or "{}").get("past", ())]
        if names:
            remove(host, names)

    return work_and_remove


def remove(host: Host, names: list[str]) -> None:
    """Remove previews with all that was made for them. Raises ProvError."""
    # imported here: few hosts have previews
    from provision.run.previewing import known_previews, take_down

    known = known_previews(host)
    for name in names:
        if name in known:
            host.emit(Notice(host.name, f"the days of the preview {name} are over: it goes"))
            take_down(host, name, known[name])
