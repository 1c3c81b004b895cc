"""Options that take a duration such as 10m."""

from __future__ import annotations

import click

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def seconds_of(ctx: click.Context, param: click.Parameter, given: str) -> float:
    """Return a duration in seconds; 0 if the option is not given. Raises BadParameter."""
    if not given:
        return 0.0
    number = given.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = given[len(number) :].strip() or "s"
    if (
        unit not in UNITS
        or not number.isascii()
        or not number.replace(".", "", 1).isdigit()
        or float(number) <= 0
    ):
        raise click.BadParameter(f"expected a duration like 90s, 10m, 2h or 1d, got {given!r}", ctx, param)
    return float(number) * UNITS[unit]
