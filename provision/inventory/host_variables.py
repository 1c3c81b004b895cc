"""A host's final variables, each with the place where it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from provision.errors import ConfigError
from provision.inventory.located import Located, LocatedError, Origin
from provision.values import dataclass


@dataclass(frozen=True, eq=False)
class HostVariables:
    """A host's name and variables.

    groups: its own and all above them, without `all`; the last one's variables win.
    defined: where an inventory file first names it.  located: its final variables with their places.
    """

    name: str
    groups: tuple[str, ...]
    defined: Origin
    located: Mapping[str, Located] = field(repr=False)

    def origin(self, *path: str | int) -> Origin | None:
        """Return where vars[path...] was written, or the nearest part around it; None without such a
        variable."""
        located = self._nearest(path)
        return located.origin if located else None

    def written(self, name: str) -> Any:
        """Return the value of a variable as it is written: secrets that are read when they are used are not read.

        None without such a variable.
        """
        located = self.located.get(name)
        return located and located.value

    def error(self, path: Sequence[str | int], message: str, hint: str = "") -> ConfigError:
        """An error about vars[path...]: "inventory/staging.yml:12 web1.apps.shop.server: message"."""
        origin = self.origin(*path) or self.defined
        return LocatedError(origin, path, message, hint=hint, subject=self.name)

    def _nearest(self, path: Sequence[str | int]) -> Located | None:
        located = self.located.get(str(path[0])) if path else None
        return located.nearest(path[1:]) if located else None
