"""`--format plain`: lines for logs and pipes, also at a terminal; nothing moves, nothing is coloured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provision.report.columns import aligned
from provision.report.formats import Format
from provision.report.screen import write

if TYPE_CHECKING:
    from provision.report.reporting import Report, Style


class PlainFormat(Format):
    """For logs, and for people who want plain lines."""

    def report(self, style: Style, hosts: Sequence[str], roles: Sequence[str]) -> Report:
        from provision.report.plain_lines import PlainReport as Lines

        return Lines(self._out, style)

    def show(self, events: Iterable[Mapping[str, Any]], lines: Iterable[str] = ()) -> None:
        for line in lines:
            write(self._out, line)

    def table(
        self, events: Iterable[Mapping[str, Any]], columns: Sequence[str], rows: Iterable[Sequence[str]]
    ) -> None:
        self.show((), aligned([columns, *rows]))


FORMAT = PlainFormat
