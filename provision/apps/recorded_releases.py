"""A release of earlier times, as its host has recorded it: there is no source of it on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property

from provision.apps.app_releases import Release
from provision.secrets import Secret
from provision.values import dataclass


@dataclass(frozen=True)
class RecordedRelease(Release):
    """A release by its name. known: its name.  visible: its environment without secrets.

    entries: only the error pages.
    """

    known: str = ""
    visible: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        return self.known

    @property
    def environment(self) -> dict[str, str | Secret]:
        return dict(self.visible)
