"""The texts of an application's units, by the templates that all servers share or by those of its own server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provision.roles.role_host import Host


def unit_text(c: Host, kind: str, values: Mapping[str, Any]) -> str:
    """Return the text of a unit. kind: "service", "process" or "job".  values: with its server's `program`."""
    own = values["program"].units.get(kind)
    return c.render(own or f"{kind}.j2", role="" if own else "app", **values)
