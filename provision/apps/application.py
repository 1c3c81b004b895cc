"""An application as roles see it: its settings, and the release of its current source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import PrivateAttr

from provision.apps.app_model import App
from provision.apps.bindings import Binding
from provision.sources.manifests import Manifests

if TYPE_CHECKING:
    from provision.apps.app_releases import Release
    from provision.sources.built import SourceBuild


class Application(App):
    """An application of a resolved host."""

    _manifests: Manifests = PrivateAttr(default_factory=Manifests)
    _bindings: Sequence[Binding] = PrivateAttr(default=())

    def read_by(self, manifests: Manifests) -> Self:
        """Have its source read together with those of other applications, and return the application."""
        self._manifests = manifests
        return self

    def bound_to(self, bindings: Sequence[Binding]) -> Self:
        """Bind it to these services, and return it."""
        self._bindings = tuple(bindings)
        return self

    @property
    def bindings(self) -> Sequence[Binding]:
        """Return the services that it uses."""
        return self._bindings

    @cached_property
    def release(self) -> Release:
        """Return the release of its current source. Raises ProvError.

        The source is read on first access: runs that need no release fetch nothing, and a deploy reads it
        while it waits for the host to log in.
        """
        # imported here, while the host logs in
        from provision.apps.app_releases import in_bytes, release_of

        size, build = in_bytes(self.max_source), self.local_build
        if build is not None and isinstance(self.source, Path):
            manifest = self._manifests.built(self.source, size, build)
        else:
            manifest = self._manifests.of(self.source, self.ref, size)
        return release_of(self, manifest, self._bindings)

    def serves(self, release: Release) -> None:
        """Take this release for that of its current source, which is then not read."""
        self.__dict__["release"] = release

    @property
    def commit(self) -> str:
        """Return the commit of its current source, as histories show it: "9c01f3e77aab, modified"; "" if it has
        none. Raises ProvError."""
        from provision.apps.app_releases import in_bytes

        return self._manifests.commit(self.source, self.ref, in_bytes(self.max_source))

    @property
    def local_build(self) -> SourceBuild | None:
        """Return the build that runs on this machine before the source is read."""
        if self.build is None or not self.build.here:
            return None
        from provision.sources.built import SourceBuild

        return SourceBuild(
            self.subdirectory or "", self.build.command, self.built, self.build.timeout, self.build.always
        )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with changed settings and a release of its own (pydantic copies cached values)."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("release", None)
        return copied
