"""What the roles of fronts have in common: their parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from provision.apps.settings import HeaderName
from provision.inventory.fields import Network
from provision.roles.params import Params


class FrontParams(Params):
    """What the roles of the built-in fronts take."""

    hsts: int = Field(default=63072000, ge=0)
    """Seconds for which browsers must use https (Mozilla's recommendation: two years); 0 omits the header."""
    tls_profile: Literal["intermediate", "modern"] = "intermediate"
    """Mozilla's recommendation that is followed: TLS 1.2 and 1.3, or 1.3 alone, which browsers before 2019 lack."""
    static_max_age: int = Field(default=31536000, ge=0)
    """Seconds for which browsers may keep static files with a hash in their name."""
    access_log: Literal["json", "combined"] = "json"
    """One JSON object a line, or the combined format that log analysers read."""
    trusted_proxies: tuple[Network, ...] = ()
    """Addresses or networks (10.0.0.0/8) of proxies before this host whose X-Forwarded-For and -Proto headers
    are trusted. Hosts that balance to this one by the inventory are included automatically."""
    trusted_headers: tuple[HeaderName, ...] = ()
    """More headers of these proxies that applications get, such as X-Forwarded-Host or Remote-User. Name only
    headers that the proxies always set or drop: the rest may come from a client."""

    def openings(self, host: Any) -> Iterator[str]:
        yield "80"
        served = host.assignment.served.every
        if not served or any(app.tls != "none" for app in served):
            yield "443"
