"""Steps over the versions of a function: the one that is published, its release's commands, and old ones.

Source: Lambda API reference, PublishVersion; developer guide, "Lambda function versions".
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provision.errors import ProvError
from provision.platforms.lambda_.alias_steps import STAYS
from provision.platforms.lambda_.function_calls import LIVE, FunctionCalls
from provision.platforms.lambda_.function_steps import NewestState
from provision.platforms.lambda_.function_versions import (
    FunctionVersions,
    Version,
    WantedVersion,
    number_of,
    weights_of,
)
from provision.platforms.lambda_.version_contents import made_of
from provision.platforms.platform_run import Note
from provision.platforms.release_steps import ReleaseRecorded
from provision.steps.base import Change, Diff


class PublishedVersion:
    """A published version with the wanted contents. newest: checked and applied before it.  release: its name."""

    def __init__(
        self, calls: FunctionCalls, versions: FunctionVersions, newest: NewestState, release: str
    ) -> None:
        self.name = f"version of {versions.name}"
        self.release = release
        self._calls, self._versions, self._newest = calls, versions, newest
        self._made: Version | None = None

    def found(self) -> Version | None:
        """Return the version; None while it is not published. Raises CloudError."""
        return self._made or self._versions.of(self._newest.named())

    def check(self) -> Diff:
        """Look for it."""
        found = self.found()
        if found is None:
            return Diff([Change("version", "", f"release {self.release}")])
        return Diff.none(f"version {found['Version']}")

    def apply(self, note: Note) -> None:
        """Publish it."""
        name = self._versions.name
        self._made = self._calls.call("lambda:PublishVersion", FunctionName=name)
        self._calls.wait(name, str(self._made["Version"]))


class VersionCommand:
    """A command of a release, which the wanted version runs before it serves."""

    def __init__(
        self,
        calls: FunctionCalls,
        versions: FunctionVersions,
        wanted: WantedVersion,
        command: str,
        words: Sequence[str],
    ) -> None:
        self.name = f"command {command} of {versions.name}"
        self._calls, self._versions, self._wanted = calls, versions, wanted
        self._command, self._words = command, words

    def check(self) -> Diff:
        """Return the command if the version does not serve yet."""
        wanted, serving = self._wanted.found(), self._versions.serving
        if wanted and serving and wanted["Version"] == serving["Version"]:
            return Diff.none("has ended well")
        return Diff([Change("runs", "", shlex.join(self._words))])

    def apply(self, note: Note) -> None:
        """Have the version run it."""
        name, version = self._versions.name, number_of(self._wanted)
        note(f"{name}: version {version} runs {self._command}")
        try:
            self._calls.invoke(name, version, {"prov": self._command})
        except ProvError as error:
            raise ProvError(error.message, hint=error.hint or STAYS) from None


class OldVersions:
    """Versions that no release can be gone back to any more: Lambda stores 75 GB of them for an account.

    recorded: applied before it; its releases keep their versions. What prov did not make stays, and so does a version
    that an alias names.
    """

    def __init__(
        self,
        calls: FunctionCalls,
        versions: FunctionVersions,
        wanted: WantedVersion,
        recorded: ReleaseRecorded,
    ) -> None:
        self.name = f"old versions of {versions.name}"
        self._calls, self._versions = calls, versions
        self._wanted, self._recorded = wanted, recorded
        self._old: list[Version] = []

    def check(self) -> Diff:
        """Return those that go."""
        self._old = list(self._unneeded())
        if not self._old:
            return Diff.none("all are kept")
        shown = self._versions.shown
        return Diff([Change(f"version {each['Version']}", shown(each["Version"]), "") for each in self._old])

    def _unneeded(self) -> Iterator[Version]:
        wanted = self._wanted.found()
        needed = {named_in(about) for about in self._recorded.remaining()}
        candidates = []
        for each in self._versions.published:
            found = made_of(each)
            if found and found.named not in needed and each != wanted:
                candidates.append(each)
        if not candidates:
            return
        named = set()
        for alias in self._calls.every(
            "lambda:ListAliases",
            "Aliases",
            sends="Marker",
            gets="NextMarker",
            FunctionName=self._versions.name,
        ):
            if alias["Name"] != LIVE:
                named |= {alias["FunctionVersion"], *weights_of(alias)}
        yield from (each for each in candidates if each["Version"] not in named)

    def apply(self, note: Note) -> None:
        """Remove them."""
        for each in self._old:
            self._calls.found(
                "lambda:DeleteFunction", FunctionName=self._versions.name, Qualifier=each["Version"]
            )


def named_in(about: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what names the version of a recorded release; "" for what the record lacks."""
    return str(about.get("release", "")), str(about.get("key", "")), str(about.get("config", ""))
