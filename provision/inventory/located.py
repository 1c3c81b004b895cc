"""Values that know where they were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from provision.errors import ConfigError
from provision.values import dataclass


@dataclass(frozen=True)
class Origin:
    """A line of a file: `str(origin)` is "inventory/lab.yml:12".

    file: relative to the working directory if below it, else as the user typed it.
    folder: the folder of that file, absolute; relative paths in its values start there.
    """

    file: str
    line: int
    folder: Path = field(default=Path(), compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Located:
    """A plain value with the place of each of its parts.

    value: plain Python.  origin: the line of its key (or of the item of a list).
    parts: the same for each key of a mapping or index of a list.
    deferred: whether a part of it is read when it is used (yaml_values.Deferred).
    sealed: whether it was written in a file that is encrypted as a whole.
    """

    value: Any = field(repr=False)  # it may be a password
    origin: Origin
    parts: Mapping[str | int, Located] = field(default_factory=dict, repr=False)
    deferred: bool = False
    sealed: bool = False

    def nearest(self, path: Sequence[str | int]) -> Located:
        """Return the value at the path, or the innermost part on the way that exists."""
        here = self
        for step in path:
            if step not in here.parts:
                break
            here = here.parts[step]
        return here


def dotted(path: Sequence[str | int]) -> str:
    """A path as people write it: apps.shop.domains.0."""
    return ".".join(str(step) for step in path)


class LocatedError(ConfigError):
    """An error at a line: "inventory/lab.yml:12 web1.apps.shop: message".

    subject: the host whose variables contain the path, if any.
    """

    def __init__(
        self, origin: Origin, path: Sequence[str | int], message: str, *, hint: str = "", subject: str = ""
    ) -> None:
        whole = dotted((subject, *path) if subject else path)
        super().__init__(message, where=f"{origin} {whole}" if whole else str(origin), hint=hint)
        self.origin = origin
        self.path = tuple(path)
        self.subject = subject
