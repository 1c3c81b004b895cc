"""The end of a deploy: what is served where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provision.controller.events import Served
from provision.report.reporting import counted
from provision.report.shown_lines import ShownLine, flat

#: addresses and URLs that are named; the rest are counted
MOST = 6


class ServedSummary:
    """Gathers what hosts serve."""

    def __init__(self) -> None:
        self._found: dict[Served, list[str]] = {}

    def take(self, event: Served) -> None:
        """Add what one host serves; equal applications are shown once, with all addresses."""
        key = Served("", event.app, tuple(event.urls), "", event.certificate, event.release, event.commit)
        self._found.setdefault(key, []).append(event.address)

    def lines(self) -> Iterator[ShownLine]:
        """Yield `shop  https://shop.test/  10.0.0.11  release da15adf (9c01f3e)  private CA: .prov/ca/ca.crt`."""
        width = max((len(each.app) for each in self._found), default=0)
        for each, addresses in sorted(self._found.items(), key=lambda item: item[0].app):
            commit = f" ({flat(each.commit[:7] + each.commit[12:])})" if each.commit else ""
            words = [short(each.urls, "URL"), short(addresses, "host"), f"release {each.release[:7]}{commit}"]
            yield ShownLine(
                "add", "  ".join([flat(each.app).ljust(width), *words, *filter(None, [each.certificate])])
            )


def short(found: Sequence[str], noun: str) -> str:
    """Return names with commas; of many, the first and how many more."""
    named = ", ".join(map(flat, found[:MOST]))
    return named if len(found) <= MOST else f"{named} and {counted(len(found) - MOST, 'more ' + noun)}"
