"""A host's final variables, each with the place where it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from provision.errors import ConfigError
from provision.inventory.located import Located, LocatedError, Origin
from provision.inventory.own_names import PREFIX
from provision.values import dataclass


@dataclass(frozen=True, eq=False)
class HostVariables:
    """A host's name and variables.

    groups: its own and all above them, without `all`; the last one's variables win.
    defined: where an inventory file first names it.  located: its final variables with their places.
    prefix: of the variables that are prov's own (`[tool.prov] prefix`).

    Paths begin with a variable as prov calls it; `named` tells what the inventory calls it.
    """

    name: str
    groups: tuple[str, ...]
    defined: Origin
    located: Mapping[str, Located] = field(repr=False)
    prefix: str = ""

    def named(self, name: str) -> str:
        """Return the name that the inventory has for what prov calls `roles`, `apps`, `balance`, or as a role.

        It is the name with the project's prefix. Without one, `prov_roles` counts before `roles`, where a host has it.
        """
        if self.prefix:
            return self.prefix + name
        return PREFIX + name if PREFIX + name in self.located else name

    def meant(self, variable: str) -> str:
        """Return what prov calls a variable, the other way round; "" if it is one of the project's own."""
        name = variable.removeprefix(self.prefix or PREFIX)
        return name if self.named(name) == variable else ""

    def origin(self, *path: str | int) -> Origin | None:
        """Return where vars[path...] was written, or the nearest part around it; None without such a
        variable."""
        return self.origin_as_written((self.named(str(path[0])), *path[1:])) if path else None

    def origin_as_written(self, path: Sequence[str | int]) -> Origin | None:
        """Return the same for a path that begins with the inventory's name of a variable."""
        located = self.located.get(str(path[0]))
        return located.nearest(path[1:]).origin if located else None

    def written(self, name: str) -> Any:
        """Return the value of a variable as it is written: secrets that are read when they are used are not read.

        None without such a variable.
        """
        located = self.located.get(self.named(name))
        return located and located.value

    def error(self, path: Sequence[str | int], message: str, hint: str = "") -> ConfigError:
        """An error about vars[path...]: "inventory/staging.yml:12 web1.apps.shop.server: message"."""
        return self.error_as_written((self.named(str(path[0])), *path[1:]), message, hint)

    def error_as_written(self, path: Sequence[str | int], message: str, hint: str = "") -> ConfigError:
        """Return the same for a path that begins with the inventory's name of a variable."""
        origin = self.origin_as_written(path) or self.defined
        return LocatedError(origin, path, message, hint=hint, subject=self.name)
