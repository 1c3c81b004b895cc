"""The end of a deploy: what is served where, or built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from provision.controller.events import ReleaseBuilt, Served, Switch
from provision.report.reporting import counted
from provision.report.shared_steps import whom
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
            words = [short(each.urls, "URL"), short(addresses, "host"), named(each.release, each.commit)]
            yield ShownLine(
                "add", "  ".join([flat(each.app).ljust(width), *words, *filter(None, [each.certificate])])
            )


class BuiltSummary:
    """Gathers which releases hosts have built."""

    def __init__(self) -> None:
        self._found: dict[ReleaseBuilt, list[str]] = {}

    def take(self, event: ReleaseBuilt) -> None:
        """Add what one host has built; equal releases are shown once, with all hosts."""
        self._found.setdefault(replace(event, host=""), []).append(event.host)

    def lines(self) -> Iterator[ShownLine]:
        """Yield `shop  release da15adf (9c01f3e) is built on web1, not in service; prov deploy puts it there`."""
        width = max((len(each.app) for each in self._found), default=0)
        for each, hosts in sorted(self._found.items(), key=lambda item: item[0].app):
            said = f"{flat(each.app).ljust(width)}  {named(each.release, each.commit)}"
            where = short(hosts, "host")
            if each.live:
                yield ShownLine("add", f"{said} is in service already on {where}")
            else:
                yield ShownLine(
                    "add", f"{said} is built on {where}, not in service; prov deploy puts it there"
                )


class SwitchSummary:
    """Gathers how a plan foresees that applications switch."""

    def __init__(self) -> None:
        self._found: dict[Switch, list[str]] = {}

    def take(self, event: Switch) -> None:
        """Add what one host foresees; equal switches are shown once, with all hosts."""
        self._found.setdefault(replace(event, host=""), []).append(event.host)

    def lines(self, hosts: Sequence[str]) -> Iterator[ShownLine]:
        """Yield `shop: switches without a gap (web1)`. hosts: of the whole run."""
        for each, names in sorted(self._found.items(), key=lambda item: item[0].app):
            where = whom(names, hosts)
            if not each.gaps:
                yield ShownLine("add", f"{flat(each.app)}: switches without a gap ({where})")
            for gap in each.gaps:
                yield ShownLine("message", f"! {flat(each.app)}: may have a gap ({where}): {flat(gap)}")


def named(release: str, commit: str) -> str:
    """Return `release da15adf (9c01f3e)`. commit: of its source, or ""."""
    return f"release {release[:7]}" + (f" ({flat(commit[:7] + commit[12:])})" if commit else "")


def short(found: Sequence[str], noun: str) -> str:
    """Return names with commas; of many, the first and how many more."""
    named = ", ".join(map(flat, found[:MOST]))
    return named if len(found) <= MOST else f"{named} and {counted(len(found) - MOST, 'more ' + noun)}"
