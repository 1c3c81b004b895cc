"""How much of a difference commands show."""

from __future__ import annotations

#: lines of one difference that a plan and a deploy show, unless --diff asks for all
PLAN_DIFF, SHORT_DIFF = 20, 12


def diff_limit(diff: bool | None, *, plan: bool, verbose: bool) -> int | None:
    """Lines of one difference to show: --diff and -v all, --no-diff none; by default a few."""
    if diff is None:
        return None if verbose else PLAN_DIFF if plan else SHORT_DIFF
    return None if diff else 0
