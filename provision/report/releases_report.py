"""What `prov releases` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provision.controller.events import Answered, Event
from provision.report.answers import AnswerReport
from provision.report.columns import aligned
from provision.report.shown_lines import flat
from provision.system.memory.release_book import held, in_order, person

#: why a release can't be gone back to that `prov deploy --dry-build` has made
BUILT = "built, not in service yet"


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


def for_programs(book: dict[str, Any]) -> dict[str, Any]:
    """Return a book for programs: the newest release first."""
    if "damaged" in book:
        return {"error": book["damaged"], "hold": None, "releases": []}
    found = []
    for name, entry in reversed(in_order(book)):
        about = entry["about"]
        found.append(
            {
                "id": entry["release"],
                "instance": name,
                "at": entry["at"],
                "who": entry.get("who", ""),
                "commit": entry.get("commit", ""),
                "server": about.get("server", ""),
                "live": name == book["live"],
                "can_go_back": name != book["live"] and not entry["why"],
                "why_not": "it is in service" if name == book["live"] else entry["why"],
                "migrations": len(about.get("migrations", ())),
            }
        )
    for name in book["unrecorded"]:
        # it was never in service, or a version of prov that records none deployed it
        why = BUILT if name in book["built"] else "the host has no record of it"
        found.append({"id": name, "live": name == book["current"], "can_go_back": False, "why_not": why})
    return {"hold": book["hold"], "releases": found}
