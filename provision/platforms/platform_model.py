"""What a platform declares: its package has it as PLATFORM."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from provision.apps.application import Application
from provision.inventory import InventoryHost
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
class LogsWanted:
    """Which lines of logs. process: of this one only; "" for all.  lines: how many of each part, or 0 with `seconds`.

    seconds: all lines of the last ones; 0 for the last `lines`.  follow: also those to come.
    """

    process: str
    lines: int
    seconds: float
    follow: bool


@dataclass(frozen=True)
class DeclaredPlatform:
    """A platform. steps: prepares a run over a target.

    check: raises ConfigErrors, each with its line, for what a target of it can't have.
    status: returns how applications of a target are doing: "ok", "apps" (report/platform_report.py shows it).
    logs: yields what they have logged: "time" in seconds, "source", "text".
    instead: returns what to do instead of a command for hosts; "" if nothing is known.
    counterparts: what it has for each of PARTS.
    """

    steps: StepsOf
    check: Callable[[Assignment], None]
    status: Callable[[InventoryHost, Sequence[Application]], Mapping[str, Any]]
    logs: Callable[[InventoryHost, Sequence[Application], LogsWanted], Iterable[Mapping[str, Any]]]
    instead: Callable[[InventoryHost, str], str]
    counterparts: Mapping[str, str]


def find(name: str) -> DeclaredPlatform:
    """Return the platform of that name, which the inventory has checked."""
    platform: DeclaredPlatform = importlib.import_module(f"provision.platforms.{name}").PLATFORM
    return platform
