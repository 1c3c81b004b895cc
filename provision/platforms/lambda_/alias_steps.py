"""The version that serves: published, asked whether it is healthy, and given the requests by the alias `live`.

Source: Lambda developer guide, "Lambda function aliases", "weighted alias".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from provision.errors import ProvError
from provision.platforms.lambda_.function_calls import LIVE, FunctionCalls, made_of
from provision.platforms.lambda_.function_steps import NewestState
from provision.platforms.lambda_.mapped_functions import MappedFunction
from provision.platforms.platform_run import Note
from provision.steps.base import Change, Diff

#: seconds between requests for the health path, of a release that starts, and during a canary
PAUSE, LOOK = 1.0, 10.0
HEALTHY = range(200, 400)
STAYS = "The version before serves on. Correct it, and deploy again."


class LiveAlias:
    """The alias `live`, which the function URL and the rules of jobs ask. newest: checked and applied before it."""

    def __init__(
        self,
        calls: FunctionCalls,
        mapped: MappedFunction,
        newest: NewestState,
        live: dict[str, Any] | None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = f"alias {LIVE} of {mapped.name}"
        self._calls, self._mapped, self._newest, self._pause = calls, mapped, newest, pause
        self._exists = live is not None
        self._alias: dict[str, Any] | None = None
        self._versions: list[dict[str, Any]] = []

    def check(self) -> Diff:
        """Compare the version that serves with what is wanted."""
        name = self._mapped.name
        if self._exists:
            self._alias = self._calls.found("lambda:GetAlias", FunctionName=name, Name=LIVE)
            self._versions = self._calls.versions(name)
        wanted = f"release {self._mapped.release.id}"
        if self._alias is None:
            return Diff([Change("serves", "", wanted), *self._commands()])
        weights = weights_of(self._alias)
        serving = self._version(self._alias["FunctionVersion"])
        if serving and self._newest.is_made_so(serving) and not weights:
            return Diff([], f"version {serving['Version']} serves")
        before = self._shown(self._alias["FunctionVersion"])
        if weights:
            before += "".join(f", {share:.0%} {self._shown(version)}" for version, share in weights.items())
        return Diff([Change("serves", before, wanted), *self._commands()])

    def _commands(self) -> list[Change]:
        """Return a change that says what runs first."""
        names = ", ".join(self._mapped.before_service)
        return [Change("runs first", "", names)] if names else []

    def _version(self, number: str) -> dict[str, Any] | None:
        return next((each for each in self._versions if each["Version"] == number), None)

    def _shown(self, number: str) -> str:
        found = made_of(self._version(number))
        return (
            f"release {found.release} (version {number})" if found else f"version {number}, not made by prov"
        )

    def apply(self, note: Note) -> None:
        """Publish the version, ask it, and let it serve."""
        mapped, calls, name = self._mapped, self._calls, self._mapped.name
        ready = next((each for each in self._versions if self._newest.is_made_so(each)), None)
        version = str((ready or calls.call("lambda:PublishVersion", FunctionName=name))["Version"])
        calls.wait(name, version)
        for command in mapped.before_service:
            note(f"{name}: version {version} runs {command}")
            try:
                calls.invoke(name, version, {"prov": command})
            except ProvError as error:
                raise ProvError(error.message, hint=STAYS) from None
        self._healthy(version, mapped.app.start_timeout)
        if self._alias is None:
            calls.call("lambda:CreateAlias", FunctionName=name, Name=LIVE, FunctionVersion=version)
        else:
            self._shift(self._alias["FunctionVersion"], version, note)
        self._tidy(version, note)

    def _shift(self, old: str, new: str, note: Note) -> None:
        """Move the requests from one version to another."""
        name, canary = self._mapped.name, self._mapped.block.canary
        if canary and old != new:
            note(f"{name}: version {new} gets {canary.percent}% of the requests for {canary.seconds} s")
            self._point(old, {new: canary.percent / 100})
            left = float(canary.seconds)
            try:
                while left > 0:
                    self._pause(min(LOOK, left))
                    left -= LOOK
                    self._healthy(new, 0)
            except ProvError:
                self._point(old, {})
                raise
        self._point(new, {})

    def _point(self, version: str, weights: dict[str, float]) -> None:
        self._calls.call(
            "lambda:UpdateAlias",
            FunctionName=self._mapped.name,
            Name=LIVE,
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": weights},
        )

    def _healthy(self, version: str, seconds: float) -> None:
        """Ask for the health path until it answers as it should. Raises ProvError if it does not within the time."""
        app, end = self._mapped.app, time.monotonic() + seconds
        while True:
            answer = self._asked(version)
            status = answer.get("statusCode") if isinstance(answer, dict) else None
            if status in (app.expect or HEALTHY):
                return
            if time.monotonic() >= end:
                body = str(answer.get("body", ""))[:200] if isinstance(answer, dict) else str(answer)[:200]
                said = f"{app.health} of version {version} of {self._mapped.name} answered {status}"
                raise ProvError(f"{said}{f': {body}' if body else ''}", hint=STAYS)
            self._pause(PAUSE)

    def _asked(self, version: str) -> Any:
        """Return what a version answers to a request for the health path."""
        try:
            return self._calls.invoke(self._mapped.name, version, self._mapped.health_event)
        except ProvError as error:
            raise ProvError(error.message, hint=error.hint or STAYS) from None

    def _tidy(self, serving: str, note: Note) -> None:
        """Remove versions beyond those that are kept: Lambda stores 75 GB of them for an account."""
        versions = [serving, *(each["Version"] for each in self._versions if each["Version"] != serving)]
        for version in versions[self._mapped.app.keep_releases :]:
            self._calls.call("lambda:DeleteFunction", FunctionName=self._mapped.name, Qualifier=version)
            note(
                f"{self._mapped.name}: version {version} is removed; {self._mapped.app.keep_releases} are kept"
            )


def weights_of(alias: dict[str, Any]) -> dict[str, float]:
    """Return the shares of an alias's further versions."""
    return dict((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})
