"""What `prov cp` shows of what has come from hosts."""

from __future__ import annotations

from provision.controller.events import Answered, Event
from provision.report.answers import AnswerReport
from provision.report.reporting import counted
from provision.report.shown_lines import flat


class CopiesShown(AnswerReport):
    """`web1: /srv/x -> x, 12 files, 3.4 MB`."""

    def take(self, event: Event) -> None:
        super().take(event)
        if isinstance(event, Answered):
            found = event.values
            size = f"{found['bytes'] / 1e6:.1f} MB" if found["bytes"] >= 1e5 else f"{found['bytes']} bytes"
            files = counted(found["files"], "file")
            self._answer(f"{event.host}: {flat(found['from'])} -> {flat(found['to'])}, {files}, {size}")
