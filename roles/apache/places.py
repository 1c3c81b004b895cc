"""Where requests for a virtual host go, in Apache's words."""

from __future__ import annotations

import re

from provision.apps.app_model import App
from provision.inventory.fields import encoded
from provision.serving.locations import Location
from provision.serving.sites import Backend, Site, VirtualHost
from provision.system.writers import regex

#: endings of files that may lie beside themselves with .gz, and their types: mod_rewrite has to say them
COMPRESSED = {
    "css": "text/css",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "json": "application/json",
    "map": "application/json",
    "svg": "image/svg+xml",
    "html": "text/html",
    "txt": "text/plain",
    "xml": "application/xml",
}
UNITS = {"k": 1024, "m": 1024**2, "g": 1024**3}


def plain(domain: str) -> str:
    """A domain as a name that a server can have: the wildcard stands for www."""
    return domain.replace("*", "www", 1)


def names(host: VirtualHost) -> list[str]:
    """Its domains as such names."""
    return [plain(domain) for domain in host.domains]


def places(host: VirtualHost) -> list[tuple[Site, Location]]:
    """All places of a virtual host: each after those that it lies in."""
    found = [(site, place) for site in host.sites for place in site.locations]
    return sorted(found, key=lambda pair: pair[1].path)


def inside_cached(place: Location, others: list[tuple[Site, Location]]) -> bool:
    """Whether a place that lies around this one is cached."""
    return any(other.cache and place.path.startswith(other.path) for _, other in others)


def guarded(site: Site, place: Location) -> bool:
    """Whether Django's users are asked for there (guard.py)."""
    return place.auth and site.app.auth is not None and site.app.auth.by == "django"


def direct(site: Site) -> bool:
    """Whether requests go to a socket without a balancer: one that is there needs no one to watch it.

    A prefix that URLs encode needs one: mod_proxy finds a socket by the URL, which it encodes first.
    """
    plain = all(place.path == encoded(place.path) for place in site.locations)
    return len(site.backends) == 1 and site.backends[0].is_socket and plain


def pattern(place: Location) -> str:
    """A regular expression for a place whose path Location would take for one with wildcards; "" for others."""
    if not re.search(r"[*?\[\]]", place.path):
        return ""
    # a place without a slash at its end holds below itself, as with Location
    return f"^{regex(place.path)}{'(/|$)' if place.exact else ''}"


def pool(site: Site) -> str:
    """The name of an application's backends."""
    return f"app-{site.app.name}"


def member(site: Site, backend: Backend) -> str:
    """A backend as mod_proxy writes it. The host's name behind a socket is only what logs call it."""
    if backend.is_socket:
        return f"unix:{backend.address}|http://{pool(site)}"
    return f"{site.scheme}://{backend.address}"


def websockets(site: Site) -> str:
    """The name of its backends for WebSockets, which may be silent for an hour."""
    return f"{pool(site)}-websockets"


def target(site: Site, place: Location) -> str:
    """Where requests below a place go. What streams is another worker, with limits of its own."""
    name = pool(site) + ("-streams" if place.stream else "")
    if direct(site):
        return f"unix:{site.backends[0].address}|http://{name}{place.path}"
    return f"balancer://{name}{place.path}"


def options(site: Site, place: Location) -> list[str]:
    """How its socket is spoken to; balancers have said so for their members."""
    if not direct(site):
        return []
    # a little longer than the server's own limit, so that it is the one to answer
    timeout = 3600 if place.stream else site.app.timeout + 5
    flush = ["flushpackets=on"] if place.stream else []
    # idle for fewer seconds than its backend keeps them
    reuse = "ttl=30" if site.keepalive else "disablereuse=on"
    # headers of an answer: 32 KB, as nginx takes them
    fields = "responsefieldsize=33000"
    return [
        reuse,
        "retry=0",
        "connectiontimeout=5",
        fields,
        f"timeout={timeout}",
        "upgrade=websocket",
        *flush,
    ]


def error_place(app: App) -> str:
    """The prefix below which an application's error pages are found, by Apache itself only."""
    return f"/.prov-errors/{app.name}/"


def max_body(app: App) -> int:
    """The largest body of a request in bytes; 0 for any."""
    number, unit = re.fullmatch(r"(\d+)([kmg]?)", app.max_body).groups()  # type: ignore[union-attr]
    return int(number) * UNITS.get(unit, 1)
