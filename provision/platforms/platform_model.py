"""What a platform declares: its package has it as PLATFORM."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from provision.apps.application import Application
from provision.inventory import InventoryHost
from provision.inventory.platform_names import package_of
from provision.platforms.platform_run import Note, PlatformStep
from provision.platforms.target_records import TargetRecords
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


@dataclass(frozen=True)
class DeployOrder:
    """What a deploy is to do. plan: only say it.  prune: also remove what is no longer declared.

    force: deploy code although its database has migrations that it does not know.
    """

    plan: bool = False
    prune: bool = False
    force: bool = False


class StepsOf(Protocol):
    """What prepares a run: the target is asked nothing yet. Raises ConfigErrors, UsageError."""

    def __call__(self, assignment: Assignment, order: DeployOrder, /) -> Steps:
        """Return what asks the platform, and returns the steps in order, given what shows progress.

        Those of release_steps.py are among them, for each application.
        """


@dataclass(frozen=True)
class EarlierRelease:
    """A release to go back to. app: its application.  instance: its name in the record.

    release: its name for people.  about: what the platform has recorded of it.  hold: hold further deploys.
    """

    app: str
    instance: str
    release: str
    about: Mapping[str, Any]
    hold: bool


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
class PlatformPast:
    """What a platform remembers, and how to go back.

    records: where prov keeps releases, holds and the lock of a target.
    obstacles: returns why recorded instances can't be served again, "" if they can; given what `about` has of each.
    back: prepares going back to a release, with ReleaseRecorded as its last step.
    """

    records: Callable[[InventoryHost], TargetRecords]
    obstacles: Callable[[InventoryHost, Mapping[str, Mapping[str, Any]]], Mapping[str, str]]
    back: Callable[[InventoryHost, EarlierRelease], Steps]


@dataclass(frozen=True)
class DeclaredPlatform:
    """A platform. steps: prepares a run over a target.

    check: raises ConfigErrors, each with its line, for what a target of it can't have.
    status: returns how applications of a target are doing: "ok", "apps" (report/platform_report.py shows it).
    logs: yields what they have logged: "time" in seconds, "source", "text".
    instead: returns what to do instead of a command for hosts; "" if nothing is known.
    counterparts: what it has for each of PARTS.
    past: what it remembers; None if it has neither releases to go back to, nor locks.
    manifests: returns what `prov kubernetes render` writes the objects of, given the name of an application, or "" for
    all; None if the platform has no such objects. Raises ConfigErrors, ProvError.
    """

    steps: StepsOf
    check: Callable[[Assignment], None]
    status: Callable[[InventoryHost, Sequence[Application]], Mapping[str, Any]]
    logs: Callable[[InventoryHost, Sequence[Application], LogsWanted], Iterable[Mapping[str, Any]]]
    instead: Callable[[InventoryHost, str], str]
    counterparts: Mapping[str, str]
    past: PlatformPast | None = None
    manifests: Callable[[Assignment, str], Sequence[Any]] | None = None


def find(name: str) -> DeclaredPlatform:
    """Return the platform of that name, which the inventory has checked."""
    platform: DeclaredPlatform = importlib.import_module(f"provision.platforms.{package_of(name)}").PLATFORM
    return platform
