"""What a platform declares: its package has it as PLATFORM."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from provision.platforms.platform_run import Note, PlatformStep
from provision.roles.project import Assignment
from provision.values import dataclass

#: parts of an application that each platform says its counterpart of, in the order of the docs' table
PARTS = (
    *("the web process", "`processes`", "`jobs`", "commands of `release`, migrations", "collectstatic"),
    *(
        "`static`",
        "`media`, `writable`",
        "`environment`",
        "`secrets`",
        "`domains`, `path`",
        "`tls`",
        "health",
    ),
    *("settings of the front", "`uses`", "access: `auth`, `allow`, `deny`, `maintenance`"),
)


Steps = Callable[[Note], Sequence[PlatformStep]]


class StepsOf(Protocol):
    """What prepares a run: the target is asked nothing yet. Raises ConfigErrors, UsageError."""

    def __call__(self, assignment: Assignment, /, *, prune: bool) -> Steps:
        """Return what asks the platform, and returns the steps in order, given what shows progress.

        prune: also remove what is no longer declared.
        """


@dataclass(frozen=True)
class DeclaredPlatform:
    """A platform. steps: prepares a run over a target.

    check: raises ConfigErrors, each with its line, for what a target of it can't have.
    counterparts: what it has for each of PARTS.
    """

    steps: StepsOf
    check: Callable[[Assignment], None]
    counterparts: Mapping[str, str]


def find(name: str) -> DeclaredPlatform:
    """Return the platform of that name, which the inventory has checked."""
    platform: DeclaredPlatform = importlib.import_module(f"provision.platforms.{name}").PLATFORM
    return platform
