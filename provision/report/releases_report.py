"""What `prov releases` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provision.controller.events import Answered, Event
from provision.report.answers import AnswerReport
from provision.report.columns import aligned
from provision.report.shown_lines import flat
from provision.system.memory.release_book import held, person


class ReleasesShown(AnswerReport):
    """A table for each application of a host, the newest release first."""

    def take(self, event: Event) -> None:
        super().take(event)
        if isinstance(event, Answered):
            self._show(event.host, event.values)

    def _show(self, host: str, found: Mapping[str, Any]) -> None:
        app = found["app"]
        self._answer(f"{host}: {app}")
        if found["hold"]:
            self._answer(f"  {flat(held(app, found['hold']))}; prov resume {host} {app} lifts that")
        if "error" in found:
            self._answer(f"  {flat(found['error'])}")
        elif not found["releases"]:
            self._answer("  not deployed yet")
        else:
            rows = [["RELEASE", "DEPLOYED", "BY", "COMMIT", ""], *map(row, found["releases"])]
            for line in aligned([[flat(cell) for cell in cells] for cells in rows]):
                self._answer(f"  {line}")


def row(release: Mapping[str, Any]) -> list[str]:
    """Return the cells of a release."""
    at = str(release.get("at", "")).replace("T", " ").rstrip("Z")
    by = person(release["who"]) if "who" in release else ""
    state = "can be gone back to" if release["can_go_back"] else release["why_not"]
    if release["live"]:
        state = "in service"
    return [release["id"], at, by, release.get("commit", ""), state]
