"""What is no longer declared: of an application that has left the inventory, one line for all of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from provision.controller.events import StepDone, UndeclaredFound
from provision.report.reporting import counted
from provision.report.shown_lines import ShownLine, flat
from provision.steps.base import Change

#: things by which an application is known to have left, and things that are an application's (roles/app)
HOME = re.compile(r"(?:folder /srv/|user app-)(?P<app>[\w.-]+)$")
PARTS = re.compile(
    r"(?:user|group) app-(?P<account>[\w.-]+)$"
    r"|\w+ (?:/srv/|/var/lib/app-|/run/app-|/etc/prov/(?:tls/)?|/etc/(?:nginx|apache2)/\S*/"
    r"|/etc/systemd/system/(?:app|job)-)(?P<path>[\w.-]+?)(?:[/@_]|\.(?:env|key|crt|conf)$|-ca\.crt$|$)"
)


#: how steps/prune.py calls its step
PRUNE = "what is no longer declared"


class UndeclaredThings:
    """Gathers what hosts name, until they end."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._found: dict[str, list[UndeclaredFound]] = {}

    def take(self, event: UndeclaredFound) -> None:
        """Add a thing."""
        self._found.setdefault(event.host, []).append(event)

    def of(self, host: str) -> Iterator[tuple[str, str, str]]:
        """Yield role, what, and why for each line of a host, and forget them."""
        found = self._found.pop(host, [])
        gone = {match["app"] for each in found if (match := HOME.match(each.what))}
        by_app: dict[str, list[UndeclaredFound]] = {}
        for each in found:
            app = "" if self._verbose else application(each.what)
            if app in gone:
                by_app.setdefault(app, []).append(each)
            else:
                yield each.role, flat(each.what), each.why()
        for app, things in sorted(by_app.items()):
            what = f"application {flat(app)}: {counted(len(things), 'thing')}"
            yield "", what, f"no longer declared ({consequence(things)})"


def consequence(things: Sequence[UndeclaredFound]) -> str:
    """Return what --prune does with the things of an application."""
    words = f"--prune removes {'it' if len(things) == 1 else 'them'}"
    stay = sum(each.stays for each in things)
    return (
        f"{words}; {stay} kept, as there is something else in {'it' if stay == 1 else 'them'}"
        if stay
        else words
    )


def is_prune(step: StepDone) -> bool:
    """Return whether a step removes what is no longer declared."""
    return not step.role and step.step == PRUNE


def removed(changes: Sequence[Change]) -> tuple[list[ShownLine], list[Change]]:
    """Return a line for each application that goes, and the changes of the rest."""
    named = [(change, application(thing(change))) for change in changes]
    gone = {match["app"] for change in changes if (match := HOME.match(thing(change)))}
    parts = Counter(app for _, app in named if app in gone)
    lines = [
        ShownLine("remove", f"- application {flat(app)}, {counted(number, 'change')} (-v shows them)")
        for app, number in sorted(parts.items())
    ]
    return lines, [change for change, app in named if app not in gone]


def thing(change: Change) -> str:
    """Return what a change of prune is about, named as hosts name what is undeclared."""
    what = change.what.partition(": ")[0]
    if what in ("user", "group"):
        return f"{what} {change.before}"
    if what.startswith("unit file "):
        return f"file /etc/systemd/system/{what.removeprefix('unit file ')}"
    return f"folder {what}"


def application(what: str) -> str:
    """Return the application that a thing belongs to, by its name; "" for another thing."""
    found = PARTS.match(what)
    return (found["account"] or found["path"]) if found else ""
