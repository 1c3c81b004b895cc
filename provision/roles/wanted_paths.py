"""What the steps of a run want of a path: two that want different things would undo each other in every run."""

from __future__ import annotations

import posixpath
from typing import Any, NamedTuple

from provision.controller.calling import calling_line
from provision.errors import ConfigError
from provision.steps.base import Step

FILES = "provision.steps.files"
#: steps that say all that a path should be -> what they make of it, and which of their fields count
KINDS = {
    "File": ("a file", ("content", "mode", "owner", "group")),
    "Directory": ("a directory", ("mode", "owner", "group")),
    "Link": ("a link", ("target",)),
    "Absent": ("nothing", ()),
}


class WantedPath(NamedTuple):
    """What is wanted of a path. made: of the kinds.  given: fields that were given.  where: the line."""

    made: str
    given: dict[str, Any]
    where: str

    def differs(self, other: WantedPath) -> str:
        """Return what another step wants otherwise: a field, or what there should be; "" if they agree."""
        if self.made != other.made:
            return other.made
        return next((name for name, value in other.given.items() if self.given.get(name, value) != value), "")


class WantedPaths:
    """The paths of one host and run, with what steps of files.py want of them."""

    def __init__(self) -> None:
        self._wanted: dict[str, WantedPath] = {}

    def add(self, step: Step) -> None:
        """Note what a step wants. Raises ConfigError if an earlier one wants something else of the same path.

        A step with `when` does not count: there may be one for each case.
        """
        if type(step).__module__ != FILES or type(step).__name__ not in KINDS or step.when:
            return
        made, names = KINDS[type(step).__name__]
        given = {name: value for name in names if (value := getattr(step, name)) is not None}
        now = WantedPath(made, given, calling_line()[0])
        path = posixpath.normpath(str(vars(step)["path"]))
        earlier = self._wanted.setdefault(path, now)
        if what := earlier.differs(now):
            message = f"{path}: {earlier.where or 'prov'} wants {earlier.made}"
            if what in names:
                message += f" with another {what}"
            hint = "Each run would do both. Leave one of them out, or give each its `when`."
            raise ConfigError(f"{message} there", where=now.where, hint=hint)
        earlier.given.update(given)
