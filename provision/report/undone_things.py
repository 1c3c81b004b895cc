"""What an undo puts back: of an application one line, as its parts are prov's own matter; `-v` names all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from provision.controller.events import StepDone
from provision.report.moved_names import remaining
from provision.report.reporting import Style, counted
from provision.report.shown_lines import ShownLine, flat
from provision.report.undeclared_things import application
from provision.steps.base import Change
from provision.steps.support.served_releases import in_words, turned

#: how steps/undo.py calls its step
UNDO = re.compile(r"undo (?:the last run|this run|run \d+)")
#: what only an application has, by which it is known
OWN = re.compile(r"/srv/(?P<home>[\w.-]+)/(?:current|releases\.json)|unit (?:app|job)-(?P<unit>[\w.-]+?)[@_]")
#: copies that programs keep of account files for themselves (passwd(5))
SPARE = re.compile(r"/etc/g?(?:passwd|shadow|group|subuid|subgid)-")
#: how an undo lists the commands that it leaves as they are
COMMANDS = re.compile(r"what these did by commands stays: .*?(?=; can't be put back: |\Z)", re.DOTALL)


def is_undo(step: StepDone) -> bool:
    """Return whether a step undoes a run."""
    return not step.role and UNDO.fullmatch(step.step) is not None


def reason(step: StepDone, style: Style) -> str:
    """Return the reason of a step; that of an undo without the commands of the run."""
    brief = is_undo(step) and not style.verbose
    return flat(COMMANDS.sub("what commands did stays (-v names them)", step.why) if brief else step.why)


def put_back(changes: Sequence[Change]) -> tuple[list[ShownLine], list[Change]]:
    """Return a line for each application, and the changes of the rest."""
    names = {match["home"] or match["unit"] for change in changes if (match := OWN.match(change.what))}
    parts: dict[str, list[Change]] = {}
    rest = []
    for change in changes:
        app = app_of(change)
        if app in names:
            parts.setdefault(app, []).append(change)
        elif not SPARE.fullmatch(change.what):
            rest.append(change)
    return [line for app in sorted(parts) for line in of_application(app, parts[app])], list(remaining(rest))


def of_application(app: str, changes: Sequence[Change]) -> Iterator[ShownLine]:
    """Yield `~ shop da15adf -> c5fe8e1, 12 things of it (-v names them)`, and what else its users can tell."""
    turns = in_words(turned([{"step": "", "state": "changed", "diff": changes}]))
    words = turns or f"{flat(app)}, the release in service stays"
    yield ShownLine("hunk", f"~ {words}; {counted(len(changes), 'thing')} of it (-v names them)")


def app_of(change: Change) -> str:
    """Return the application that a thing belongs to; "" for another thing."""
    kind, _, name = change.what.partition(" ")
    if kind.startswith("/"):
        return application(f"file {change.what}")
    if kind == "unit":
        return application(f"file /etc/systemd/system/{name}")
    # a line of an account file: app-shop in /etc/passwd
    return application(f"user {kind}")
