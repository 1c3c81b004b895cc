"""`--format plain`: lines for logs and pipes, also at a terminal; nothing moves, nothing is coloured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from provision.report.columns import aligned
from provision.report.formats import Format
from provision.report.screen import write

if TYPE_CHECKING:
    from provision.report.reporting import Report, Style

T = TypeVar("T")


class Plain(Format):
    """For people who read a file, or want to."""

    def report(self, style: Style, hosts: Sequence[str], roles: Sequence[str]) -> Report:
        from provision.report.plain_lines import Plain as Lines

        return Lines(self._out, style)

    def show(self, events: Iterable[Mapping[str, Any]], lines: Iterable[str] = ()) -> None:
        for line in lines:
            write(self._out, line)

    def table(
        self,
        items: Iterable[T],
        columns: Sequence[str],
        row: Callable[[T], Sequence[str]],
        event: Callable[[T], Mapping[str, Any]],
    ) -> None:
        self.show((), aligned([columns, *map(row, items)]))


FORMAT = Plain
