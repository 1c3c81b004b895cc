"""What `prov facts` shows."""

from __future__ import annotations

from dataclasses import fields

from provision.controller.events import Event, FactsKnown
from provision.report.answers import AnswerReport
from provision.report.shown_lines import flat


class FactsShown(AnswerReport):
    """`name: value` lines; under the host's name if there are several hosts."""

    def __init__(self, *, named: bool) -> None:
        super().__init__()
        self._named = named

    def take(self, event: Event) -> None:
        super().take(event)
        if not isinstance(event, FactsKnown):
            return
        if self._named:
            self._answer(f"{event.host}:")
        names = [f.name for f in fields(event.facts)]
        width = max(map(len, names)) + 1
        for name in names:
            value = getattr(event.facts, name)
            shown = " ".join(value) if isinstance(value, tuple) else str(value)
            self._answer(f"{'  ' if self._named else ''}{name + ':':<{width}} {flat(shown)}")
