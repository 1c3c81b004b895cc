"""What `prov tls status` shows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from provision.controller.events import Answered, Event
from provision.report.answers import AnswerReport
from provision.report.shown_lines import flat
from provision.report.status_report import age


class CertificatesShown(AnswerReport):
    """For each host its certificates; what is wrong comes last, after a "!"."""

    def take(self, event: Event) -> None:
        super().take(event)
        if isinstance(event, Answered):
            self._answer(f"{event.host}: {'ok' if event.values['ok'] else 'something is wrong'}")
            for name, found in event.values["certificates"].items():
                self._certificate(name, found)

    def _certificate(self, name: str, found: Mapping[str, Any]) -> None:
        if "end" in found:
            left = age(max(0, int(found["end"] - time.time())))
            self._answer(f"  {flat(name)}  {left} left, until {moment(found['end'])}")
            self._answer(f"    for {flat(', '.join(found['names']))}, from {flat(found['issuer'])}")
            served = (
                "served" if found["served"] == found["serial"] else f"served: {found['served'] or 'none'}"
            )
            self._answer(f"    serial {flat(found['serial'])}, {flat(served)}")
        else:
            self._answer(f"  {flat(name)}  no certificate at {flat(found['path'])}")
        if found.get("renews"):
            self._answer(f"    renews itself on {moment(found['renews'])}{suggested(found['window'])}")
        for problem in found["problems"]:
            self._answer(f"    ! {flat(problem)}")
        if found.get("tries"):
            self._answer(f"    tries again on {moment(found['tries'])}")


def suggested(window: Any) -> str:
    """Return what the authority suggests, as the end of a line."""
    return f"; the authority suggests {moment(window[0])} to {moment(window[1])}" if window else ""


def moment(seconds: float) -> str:
    """Return a time as people read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
