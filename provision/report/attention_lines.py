"""The end of a run: what needs attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provision.controller.events import Attention
from provision.report.shared_steps import whom
from provision.report.shown_lines import ShownLine, flat


class AttentionLines:
    """Gathers what hosts need their user to see to; equal texts are shown once."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def take(self, event: Attention) -> None:
        """Add one thing."""
        names = self._found.setdefault(flat(event.text), [])
        if event.host not in names:
            names.append(event.host)

    def lines(self, hosts: Sequence[str]) -> Iterator[ShownLine]:
        """Yield `! web1: shop is held ...`. hosts: of the whole run."""
        for text, names in self._found.items():
            yield ShownLine("message", f"! {whom(names, hosts)}: {text}")
