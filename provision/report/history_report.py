"""What `prov history` shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from provision.controller.events import Event, HostDone, PastRun
from provision.declared.role_folders import BUILTIN, names
from provision.report.answers import AnswerReport
from provision.report.diffs import diff_lines, in_brief, is_new
from provision.report.reporting import counted
from provision.report.shown_lines import ShownLine, flat
from provision.steps.base import Change

#: what a run that failed was about, by the step at which it failed
OF_APPLICATIONS = (
    (r"command /srv/([\w.-]+)/", "a command of"),
    (r"venv /srv/([\w.-]+)/", "the packages of"),
    (r"wait for .* at /run/app-([\w.-]+)/", "the health check of"),
)
BUILT_IN = frozenset(names([BUILTIN]))


class HistoryShown(AnswerReport):
    """One line for each run, the newest last; for a single run, what each step changed. named: show hosts'
    names."""

    def __init__(self, *, named: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        super().__init__(out, err)
        self._named = named
        self._shown: set[str] = set()

    def take(self, event: Event) -> None:
        super().take(event)
        if isinstance(event, PastRun):
            self._shown.add(event.host)
            self._answer(f"{event.host}: " * self._named + line(event.run))
            for step in event.steps or ():
                self._step(step)
        elif (
            isinstance(event, HostDone)
            and event.host not in self._shown
            and self._ends.state(event) == "done"
        ):
            self._tell(f"{event.host}: no run has changed anything yet")

    def _step(self, step: Mapping[str, Any]) -> None:
        words = [step.get("role", ""), flat(step["step"]), step["state"]]
        why = f" ({flat(step['why'])})" if step.get("why") else ""
        self._answer("  " + ": ".join(filter(None, words)) + why)
        if "error" in step:
            self._answer(f"      {flat(step['error'])}")
        changes = [Change(*change) for change in step.get("diff", ())]
        for shown in recorded_diff(step, changes):
            self._answer(shown.indented("      ").text)


def recorded_diff(step: Mapping[str, Any], changes: Sequence[Change]) -> Iterator[ShownLine]:
    """Return the lines of a recorded step; new files of built-in roles, whose words are prov's own, are counted."""
    if step.get("role") not in BUILT_IN or step["step"].startswith("tree "):
        yield from diff_lines(step["step"], changes, None)
        return
    for change in changes:
        if is_new(change):
            yield from in_brief(step["step"], [change])
        else:
            yield from diff_lines(step["step"], [change], None)


def line(run: Mapping[str, Any]) -> str:
    """Return `12  2026-11-21 14:02:07  done  shop c5fe8e1 -> da15adf  3 steps  1.2 s  ann@desk  a1b2c3d4e5f6`, and how
    it ended."""
    if "damaged" in run:
        return f"{run['id']}  {run['damaged']}"
    began = run["began"].replace("T", " ").rstrip("Z")
    words = [str(run["id"]), began, run.get("state") or "cut off", *map(turn, run.get("apps", ()))]
    words.append(counted(len(run["changed"]), "step") + what(run))
    if run.get("ended") and "seconds" in run:
        words.append(f"{run['seconds']:.1f} s")
    words += [flat(run.get("who", "")), flat(run.get("commit", ""))]
    if run.get("failed"):
        words.append(f"failed at {failed_at(flat(run['failed'][0]))}")
    if run.get("undoes"):
        words.append(f"undoes {run['undoes']}")
    if run.get("undone"):
        words.append("undone automatically" if run["undone"] == run["id"] else f"undone by {run['undone']}")
    return "  ".join(filter(None, words))


def what(run: Mapping[str, Any]) -> str:
    """Return the roles that a run was of, or the only step of one that was of none, such as of a command's own."""
    if run.get("apps") or run.get("undoes"):
        return ""
    if run.get("roles"):
        return f" of {', '.join(map(flat, run['roles']))}"
    return f": {flat(run['changed'][0])}" if len(run["changed"]) == 1 else ""


def failed_at(step: str) -> str:
    """Return a step in the user's words: of an application by its name, without prov's paths."""
    for pattern, words in OF_APPLICATIONS:
        if found := re.match(pattern, step):
            return f"{words} {found[1]}"
    return step


def turn(app: Mapping[str, str]) -> str:
    """Return `shop c5fe8e1 -> da15adf (rollback, commit a2b791c -> 9c01f3e)`."""
    before, after, how = flat(app["before"])[:7], flat(app["after"])[:7], flat(app["how"])
    words = f"{before} -> {after}" if before and after else f"new {after}" if after else "removed"
    if how == "built":
        return f"{flat(app['app'])} built {after}, not in service"
    about = ", ".join(filter(None, (how, flat(app["why"]))))
    return f"{flat(app['app'])} {words}" + (f" ({about})" if about else "")
