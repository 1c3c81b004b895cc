"""What the roles of fronts have in common: their parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from provision.apps.settings import HeaderName
from provision.inventory.fields import Network
from provision.roles.params import Params


class FrontParams(Params):
    """What the roles of the built-in fronts take."""

    hsts: int = Field(default=63072000, ge=0)
    """Seconds for which browsers shall insist on https (Mozilla's recommendation: two years); 0 leaves it out."""
    static_max_age: int = Field(default=31536000, ge=0)
    """Seconds for which browsers may keep static files with a hash in their name."""
    access_log: Literal["json", "combined"] = "json"
    """One JSON object a line, or the format that log analysers have always known."""
    trusted_proxies: tuple[Network, ...] = ()
    """Addresses or networks (10.0.0.0/8) of proxies before this host whose X-Forwarded-For and -Proto are believed.
    Hosts that balance to this one by the inventory are among them without being named."""
    trusted_headers: tuple[HeaderName, ...] = ()
    """More headers of these proxies that applications get, such as X-Forwarded-Host or Remote-User. Name only those
    that the proxies set or drop themselves: others hold what a client has sent."""
