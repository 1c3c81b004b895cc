"""The versions of a function, which of them serves, and which of them is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

from provision.errors import ProvError
from provision.platforms.lambda_.function_calls import LIVE, FunctionCalls
from provision.platforms.lambda_.version_contents import made_of

Version = Mapping[str, Any]


class WantedVersion(Protocol):
    """A version that is to serve."""

    @property
    def release(self) -> str:
        """Return the name of its release, for people."""

    def found(self) -> Version | None:
        """Return the version; None while it is not published."""


class FunctionVersions:
    """What AWS has of a function's versions; each is asked once. exists: whether AWS has the function."""

    def __init__(self, calls: FunctionCalls, name: str, *, exists: bool) -> None:
        self.name = name
        self._calls = calls
        self._exists = exists

    @cached_property
    def alias(self) -> dict[str, Any] | None:
        """Return the alias that serves, or None. Raises CloudError."""
        if not self._exists:
            return None
        return self._calls.found("lambda:GetAlias", FunctionName=self.name, Name=LIVE)

    @cached_property
    def published(self) -> list[dict[str, Any]]:
        """Return the published versions, newest first. Raises CloudError."""
        return self._calls.versions(self.name) if self._exists else []

    def numbered(self, number: str) -> Version | None:
        """Return the version of a number, or None. Raises CloudError."""
        return next((each for each in self.published if each["Version"] == number), None)

    @property
    def serving(self) -> Version | None:
        """Return the version that gets most requests, or None. Raises CloudError."""
        return self.numbered(self.alias["FunctionVersion"]) if self.alias else None

    def of(self, named: tuple[str, str, str]) -> Version | None:
        """Return a version of these contents, that which serves before others; None if there is none.

        named: VersionContents.named. Raises CloudError.
        """
        serving = self.serving
        ordered = [*([serving] if serving else []), *self.published]
        return next((each for each in ordered if (made := made_of(each)) and made.named == named), None)

    def shown(self, number: str) -> str:
        """Return a version as plans show it. Raises CloudError."""
        found = made_of(self.numbered(number))
        return (
            f"release {found.release} (version {number})" if found else f"version {number}, not made by prov"
        )


def number_of(wanted: WantedVersion) -> str:
    """Return the number of a version that was published. Raises ProvError if it was not."""
    found = wanted.found()
    if found is None:
        said = (
            f"no version is release {wanted.release} any more: another client has changed what it is made of"
        )
        raise ProvError(said, hint="Run the command again.")
    return str(found["Version"])


def weights_of(alias: Mapping[str, Any]) -> dict[str, float]:
    """Return the shares of an alias's further versions."""
    return dict((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})
