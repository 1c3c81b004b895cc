"""Waves: a run of many hosts takes a few first, and the rest only if these succeed (as Ansible's `serial`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil

#: a number of hosts, or a share of them
SIZE = re.compile(r"([1-9]\d*)(%?)")


def check_size(text: str) -> str:
    """Return a size such as 2 or 25%. Raises ValueError."""
    found = SIZE.fullmatch(text)
    if found is None or (found.group(2) and int(found.group(1)) > 100):
        raise ValueError(f"expected a number of hosts or a share of them, such as 2 or 25%, got {text!r}")
    return text


def hosts_in(size: str, total: int) -> int:
    """Return how many of all hosts a size is, rounded up."""
    number = int(size.rstrip("%"))
    return ceil(total * number / 100) if size.endswith("%") else min(number, total)


def sizes(batch: Sequence[str], total: int) -> list[int]:
    """Return the number of hosts of each wave. batch: one size or more; the last repeats until no host is left."""
    found: list[int] = []
    while sum(found) < total:
        size = batch[min(len(found), len(batch) - 1)]
        found.append(min(hosts_in(size, total), total - sum(found)))
    return found


def batch_of(given: Sequence[str], *, forks: int, plan: bool) -> Sequence[str]:
    """Return the sizes of waves: those given, or all hosts at once. A deploy of one host at a time ends at the first
    that fails."""
    return given or ("1" if forks == 1 and not plan else "100%",)


def most_failures(text: str, total: int) -> int:
    """Return how many hosts may fail before the later waves are left out. text: a number, or a share."""
    return 0 if text == "0" else hosts_in(text, total)
