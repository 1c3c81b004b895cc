"""`--format json`, or `--json`: one object a line, each with "event"; the last one is the summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from provision.errors import ProvError
from provision.report.formats import Format
from provision.report.jsonl import JsonLines, summary_line
from provision.report.reporting import Report, Style
from provision.report.screen import write_json


class Json(Format):
    """For scripts: all steps, and whole diffs."""

    FOR_PROGRAMS = True

    def report(self, style: Style, hosts: Sequence[str], roles: Sequence[str]) -> Report:
        return JsonLines(self._out)

    def answers(self, for_people: Callable[[], Report]) -> Report:
        return JsonLines(self._out)

    def show(self, events: Iterable[Mapping[str, Any]], lines: Iterable[str] = ()) -> None:
        for event in events:
            write_json(self._out, event)

    def table(
        self, events: Iterable[Mapping[str, Any]], columns: Sequence[str], rows: Iterable[Sequence[str]]
    ) -> None:
        self.show(events)

    def errors(self, errors: Sequence[ProvError]) -> None:
        self.show({"event": "error", "message": e.message, "where": e.where, "hint": e.hint} for e in errors)
        self.end()

    def end(self, hosts: Mapping[str, Any] | None = None, seconds: float | None = None) -> None:
        write_json(self._out, summary_line(hosts or {}, self.took() if seconds is None else seconds))


FORMAT = Json
