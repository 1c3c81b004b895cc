"""`--format text`, the default: moving lines, colours and tables at a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provision.report.formats.as_plain import PlainFormat

if TYPE_CHECKING:
    from provision.report.reporting import Report, Style


class Text(PlainFormat):
    """Chooses by what stdout is: a terminal or not."""

    @property
    def moves(self) -> bool:
        return self._out.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def report(self, style: Style, hosts: Sequence[str], roles: Sequence[str]) -> Report:
        if not self.moves:
            return super().report(style, hosts, roles)
        from provision.report.console import Console

        return Console(style, hosts, roles)

    def table(
        self, events: Iterable[Mapping[str, Any]], columns: Sequence[str], rows: Iterable[Sequence[str]]
    ) -> None:
        if not self._out.isatty():
            super().table(events, columns, rows)
            return
        from provision.report.table import show_table

        show_table(columns, rows)


FORMAT = Text
