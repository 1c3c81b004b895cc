"""The version that serves: asked whether it is healthy, and given the requests by the alias `live`.

Source: Lambda developer guide, "Lambda function aliases", "weighted alias".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from provision.controller.events import Switch
from provision.errors import ProvError
from provision.platforms.lambda_.function_block import Canary
from provision.platforms.lambda_.function_calls import LIVE
from provision.platforms.lambda_.function_versions import (
    FunctionVersions,
    WantedVersion,
    number_of,
    weights_of,
)
from provision.platforms.lambda_.health_questions import HealthQuestion
from provision.platforms.lambda_.request_steps import FunctionPlace
from provision.platforms.platform_run import Note
from provision.steps.base import Change, Diff

#: seconds between requests for the health path during a canary
LOOK = 10.0
STAYS = "The version before serves on. Correct it, and deploy again."
#: the same, of a rollback
STAYS_NEW = "The version in service serves on. prov releases names other releases to go back to."


class LiveAlias:
    """The alias `live`, which the function URL and the rules of jobs ask. wanted: published before it is applied.

    health: what the version must answer.  canary: what of the requests it gets first; None to move all at once.
    stays: what goes on serving if it fails, for the error.
    """

    def __init__(
        self,
        place: FunctionPlace,
        versions: FunctionVersions,
        wanted: WantedVersion,
        health: HealthQuestion,
        canary: Canary | None,
        *,
        stays: str = STAYS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = f"alias {LIVE} of {versions.name}"
        self._place, self._calls, self._versions, self._wanted = place, place.calls, versions, wanted
        self._health, self._canary, self._stays, self._pause = health, canary, stays, pause

    def check(self) -> Diff:
        """Compare the version that serves with the wanted one."""
        versions, alias, wanted = self._versions, self._versions.alias, self._wanted.found()
        after = f"release {self._wanted.release}"
        if alias is None:
            return Diff([Change("serves", "", after)])
        number, weights = alias["FunctionVersion"], weights_of(alias)
        if wanted and wanted["Version"] == number and not weights:
            return Diff([], f"version {number} serves")
        before = versions.shown(number)
        if weights:
            before += "".join(
                f", {share:.0%} {versions.shown(version)}" for version, share in weights.items()
            )
        return Diff([Change("serves", before, after)])

    def foreseen(self) -> Iterator[Switch]:
        """Yield how requests go to the next version: Lambda moves them at once, and answers those under way."""
        alias, wanted = self._versions.alias, self._wanted.found()
        if alias and not (wanted and wanted["Version"] == alias["FunctionVersion"]):
            yield Switch(self._place.target, self._place.app)

    def apply(self, note: Note) -> None:
        """Ask the version, and let it serve."""
        name, alias, version = self._versions.name, self._versions.alias, number_of(self._wanted)
        self._ask(version)
        if alias is None:
            self._calls.call("lambda:CreateAlias", FunctionName=name, Name=LIVE, FunctionVersion=version)
        else:
            self._shift(alias["FunctionVersion"], version, note)

    def _shift(self, old: str, new: str, note: Note) -> None:
        """Move the requests from one version to another."""
        canary = self._canary
        if canary and old != new:
            note(
                f"{self._versions.name}: version {new} gets {canary.percent}% of the requests for {canary.seconds} s"
            )
            self._point(old, {new: canary.percent / 100})
            left = float(canary.seconds)
            try:
                while left > 0:
                    self._pause(min(LOOK, left))
                    left -= LOOK
                    self._ask(new, once=True)
            except ProvError:
                self._point(old, {})
                raise
        self._point(new, {})

    def _point(self, version: str, weights: dict[str, float]) -> None:
        self._calls.call(
            "lambda:UpdateAlias",
            FunctionName=self._versions.name,
            Name=LIVE,
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": weights},
        )

    def _ask(self, version: str, *, once: bool = False) -> None:
        self._health.ask(
            self._calls, self._versions.name, version, stays=self._stays, once=once, pause=self._pause
        )
