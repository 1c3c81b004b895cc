"""What `prov logs` shows."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath

from provision.controller.events import Answered, Event, Summary
from provision.report.answers import AnswerReport
from provision.report.shown_lines import flat
from provision.steps.support.app_processes import process_of


class LogsShown(AnswerReport):
    """`12:03:04.123  web1  shop web  text`: in the order of time, of all hosts.

    named: show hosts' names.  at_once: show lines as they come.  most: how many of the last ones, 0 for all.
    """

    def __init__(self, *, named: bool, at_once: bool, most: int) -> None:
        super().__init__()
        self._named = named
        self._at_once = at_once
        self._most = most
        self._lines: list[Answered] = []

    def take(self, event: Event) -> None:
        super().take(event)
        if isinstance(event, Answered):
            if self._at_once:
                self._show(event)
            else:
                self._lines.append(event)

    def finish(self, summary: Summary) -> None:
        self._lines.sort(key=lambda event: event.values["time"])
        for event in self._lines[-self._most :]:
            self._show(event)

    def _show(self, event: Answered) -> None:
        at = datetime.fromtimestamp(event.values["time"]).strftime("%H:%M:%S.%f")[:-3]
        words = [at, event.host if self._named else "", said_by(event.values["source"])]
        self._answer("  ".join(filter(None, [*words, flat(event.values["text"])])))


def said_by(source: str) -> str:
    """Return a unit or file in a few words: "shop web", "nginx access"."""
    if source.startswith("/"):
        path = PurePosixPath(source)
        return flat(f"{path.parent.name} {path.stem}")
    prefix, at, _ = source.partition("@")
    if not at:
        return flat(source.removesuffix(".service"))
    app = prefix.removeprefix("app-").removeprefix("job-").partition("_")[0]
    return flat(f"{app} {process_of(source)}")
