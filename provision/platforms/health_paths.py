"""The path by which a release is asked whether it serves, where prov asks it: as what, and what a good answer is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from provision.system.memory.records import TEXT
from provision.system.shapes import having, listing, number
from provision.values import dataclass

HEALTHY = range(200, 400)
#: how a record of a release has it
HEALTH = having(
    {"path": TEXT, "domain": TEXT, "expect": listing(number(100, 599)), "seconds": number(0, 1 << 31)}
)


@dataclass(frozen=True)
class HealthPath:
    """How a release is asked whether it serves. domain: as which.  expect: good statuses; none for all of HEALTHY.

    seconds: within which it must answer well.
    """

    path: str
    domain: str
    expect: tuple[int, ...]
    seconds: int

    @classmethod
    def recorded(cls, found: Mapping[str, Any]) -> Self:
        """Return it as a record has it (HEALTH)."""
        return cls(found["path"], found["domain"], tuple(found["expect"]), found["seconds"])

    @property
    def record(self) -> dict[str, Any]:
        """Return what a record has of it."""
        return {
            "path": self.path,
            "domain": self.domain,
            "expect": list(self.expect),
            "seconds": self.seconds,
        }

    def is_good(self, status: object) -> bool:
        """Return whether this is the status of a good answer."""
        return status in (self.expect or HEALTHY)
