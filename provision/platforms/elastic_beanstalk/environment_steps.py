"""The environment of an application: its version, platform and options; a change that fails is taken back.

Source: API reference, CreateEnvironment, UpdateEnvironment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from provision.errors import ProvError
from provision.platforms.elastic_beanstalk.beanstalk_calls import BeanstalkCalls
from provision.platforms.elastic_beanstalk.beanstalk_names import release_of_label
from provision.platforms.elastic_beanstalk.environment_options import (
    Options,
    as_removals,
    as_settings,
    changes_of,
    unlike,
)
from provision.platforms.elastic_beanstalk.environment_waits import (
    GRACE,
    Events,
    unhealthy,
    wait_healthy,
    wait_ready,
)
from provision.platforms.health_paths import HealthPath
from provision.platforms.platform_run import Note
from provision.platforms.release_steps import ReleaseBook
from provision.steps.base import Change, Diff
from provision.values import dataclass

TIER = {"Name": "WebServer", "Type": "Standard"}
AGAIN = "Correct it, and deploy again."


@dataclass(frozen=True)
class LiveEnvironment:
    """An environment as Elastic Beanstalk has it. state: its description.  options: its option settings."""

    state: Mapping[str, Any]
    options: Options


@dataclass(frozen=True)
class EnvironmentWanted:
    """An environment as it is to be. stack: that a new one gets, or one whose own does not fit.

    options: returns its option settings, once the secrets before it were checked.
    """

    name: str
    application: str
    cname: str
    label: str
    stack: str
    seconds: int
    tags: list[dict[str, str]]
    options: Callable[[], Options]


class EnvironmentState:
    """An environment. live: as it is, or None.  before: returns what a change that fails goes back to."""

    def __init__(
        self,
        calls: BeanstalkCalls,
        wanted: EnvironmentWanted,
        live: LiveEnvironment | None,
        before: Callable[[], tuple[str, Options] | None],
    ) -> None:
        self.name = f"environment {wanted.name}"
        self.wanted = wanted
        #: whether it is to be changed, once it was checked
        self.changes = True
        #: its address; of a new one, what it asks for
        self.cname = str(live.state.get("CNAME") or "") if live else ""
        self._calls, self._live, self._before = calls, live, before

    def check(self) -> Diff:
        """Compare its version, its platform and each option."""
        wanted, live = self.wanted, self._live
        state: Mapping[str, Any] = live.state if live else {}
        pairs = (
            ("version", str(state.get("VersionLabel") or ""), wanted.label),
            ("platform", str(state.get("SolutionStackName") or ""), wanted.stack),
        )
        found = [Change(*each) for each in pairs if each[1] != each[2]]
        found += changes_of(live.options if live else {}, wanted.options())
        if live and not found and (why := unhealthy(state)):
            found.append(Change("health", why, "asked again"))
        self.changes = bool(found)
        return Diff(found, "" if found else "as declared")

    def apply(self, note: Note) -> None:
        """Create or update it, and wait; go back if it does not get there."""
        wanted, live = self.wanted, self._live
        try:
            if live is None:
                self._create(note)
            else:
                change(self._calls, wanted, live, wanted.label, wanted.options(), wanted.stack, note)
        except ProvError as error:
            raise self.gone_back(error, note) from None

    def _create(self, note: Note) -> None:
        wanted = self.wanted
        answer = self._calls.ask(
            "CreateEnvironment",
            ApplicationName=wanted.application,
            EnvironmentName=wanted.name,
            CNAMEPrefix=wanted.cname,
            Tier=TIER,
            VersionLabel=wanted.label,
            SolutionStackName=wanted.stack,
            OptionSettings=as_settings(wanted.options()),
            Tags=wanted.tags,
        )
        events = Events(self._calls, str(answer["EnvironmentId"]), is_new=True)
        found = wait_ready(self._calls, wanted.name, events, GRACE + wanted.seconds, note)
        self.cname = str(found["CNAME"])
        refuse_another(found, wanted.label)

    def gone_back(self, error: ProvError, note: Note) -> ProvError:
        """Return an error that says what the environment went back to; it goes there first, if it can."""
        before, wanted = self._before(), self.wanted
        state = self._calls.environment(wanted.name)
        if before is None or state is None or state["Status"] != "Ready":
            return ProvError(error.message, hint=error.hint or AGAIN)
        label, options = before
        live = LiveEnvironment(state, self._calls.options(state))
        stack = str(self._live.state["SolutionStackName"]) if self._live else wanted.stack
        note(f"{wanted.name} goes back to release {release_of_label(label)}")
        try:
            change(self._calls, wanted, live, label, options, stack, note)
        except ProvError as second:
            said = f"{error.message}\n    it could not go back to version {label}: {second.message}"
            return ProvError(said, hint=AGAIN)
        said = f"{error.message}\n    it went back to release {release_of_label(label)}"
        return ProvError(said, hint=error.hint or AGAIN)


def change(
    calls: BeanstalkCalls,
    wanted: EnvironmentWanted,
    live: LiveEnvironment,
    label: str,
    options: Options,
    stack: str,
    note: Note,
) -> None:
    """Update an environment, and wait. Raises ProvError."""
    sets, removed = unlike(live.options, options)
    more: dict[str, Any] = {}
    if sets:
        more["OptionSettings"] = as_settings(sets)
    if removed:
        more["OptionsToRemove"] = as_removals(removed)
    if live.state.get("SolutionStackName") != stack:
        more["SolutionStackName"] = stack
    events = Events(calls, str(live.state["EnvironmentId"]))
    calls.ask(
        "UpdateEnvironment",
        ApplicationName=wanted.application,
        EnvironmentName=wanted.name,
        VersionLabel=label,
        **more,
    )
    refuse_another(wait_ready(calls, wanted.name, events, GRACE + wanted.seconds, note), label)


def refuse_another(environment: Mapping[str, Any], label: str) -> None:
    """Raise ProvError for an environment that is ready, and runs another version or is not healthy."""
    name, found = environment["EnvironmentName"], str(environment.get("VersionLabel") or "none")
    if found != label:
        raise ProvError(f"environment {name}: the update ended with version {found}, expected {label}")
    if why := unhealthy(environment):
        raise ProvError(f"environment {name}: the update ended, and {why}")


class Serving(Protocol):
    """What is to serve: its address, and whether it is changed, once it was checked."""

    @property
    def changes(self) -> bool:
        """Return whether it is to be changed."""

    @property
    def cname(self) -> str:
        """Return its address."""

    def gone_back(self, error: ProvError, note: Note) -> ProvError:
        """Return an error that says what it went back to; it goes there first, if it can."""


class HealthAnswers:
    """The health path of a release, asked at the address of its environment.

    environment: checked and applied before it.  instance: of the release, as the book has it once it serves.
    """

    def __init__(self, health: HealthPath, environment: Serving, book: ReleaseBook, instance: str) -> None:
        self.name = f"health of {book.app}"
        self._health, self._environment, self._book, self._instance = health, environment, book, instance

    def check(self) -> Diff:
        """Return that it is due: after each change, and for a release that is not recorded as one that serves."""
        if not self._environment.changes and self._book.read()["live"] == self._instance:
            return Diff.none("answered when it was deployed")
        return Diff([Change("answers", "", self._health.path)])

    def apply(self, note: Note) -> None:
        """Ask. Raises ProvError if it does not answer in time; the environment then goes back."""
        environment = self._environment
        try:
            wait_healthy(self._health, environment.cname)
        except ProvError as error:
            raise environment.gone_back(error, note) from None
