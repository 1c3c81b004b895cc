"""What `prov preview --list` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provision.controller.events import Answered, Event
from provision.report.answers import AnswerReport
from provision.report.columns import aligned
from provision.report.shown_lines import flat

HEAD = ["PREVIEW", "REF", "COMMIT", "ADDRESS", "SINCE", "UNTIL"]


class PreviewsShown(AnswerReport):
    """A table of previews for each host."""

    def take(self, event: Event) -> None:
        super().take(event)
        if not isinstance(event, Answered):
            return
        found = event.values["previews"]
        if not found:
            self._answer(f"{event.host}: no previews")
            return
        self._answer(f"{event.host}:")
        rows = [HEAD, *(row(each) for each in found if "damaged" not in each)]
        for line in aligned([[flat(cell) for cell in cells] for cells in rows]):
            self._answer(f"  {line}")
        for each in found:
            if "damaged" in each:
                self._answer(f"  {flat(each['name'])}: {flat(each['damaged'])}")


def row(preview: Mapping[str, Any]) -> list[str]:
    """Return the cells of a preview."""
    times = [str(preview[at]).replace("T", " ").rstrip("Z") for at in ("since", "until")]
    return [preview["name"], preview["ref"], preview["commit"][:12], preview["url"], *times]
