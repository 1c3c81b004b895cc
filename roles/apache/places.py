"""Locations of a virtual host, in Apache's syntax."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_network

from provision.apps.app_model import App
from provision.apps.authority_files import PEOPLE
from provision.inventory.fields import encoded
from provision.serving.locations import Location
from provision.serving.sites import Backend, Site, VirtualHost
from provision.system.writers import regex

#: types by the endings of files that may have a .gz variant beside them: mod_rewrite has to set the type
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


def places(host: VirtualHost) -> list[tuple[Site, Location]]:
    """Return all places of a virtual host, each after those that contain it."""
    found = [(site, place) for site in host.sites for place in site.locations]
    return sorted(found, key=lambda pair: pair[1].path)


def inside_cached(place: Location, others: list[tuple[Site, Location]]) -> bool:
    """Return whether a place that contains this one is cached."""
    return any(other.cache and place.path.startswith(other.path) for _, other in others)


def guarded(site: Site, place: Location) -> bool:
    """Return whether Django's users must log in there (guard.py)."""
    return place.auth and site.app.auth is not None and site.app.auth.by == "django"


def people(app: App) -> str:
    """Return the expression by which a request comes with the certificate of a person that may see it."""
    assert app.auth is not None
    names = ",".join(f"'{name}'" for name in app.auth.people)
    return (
        f"%{{SSL_CLIENT_VERIFY}} == 'SUCCESS' && %{{SSL_CLIENT_S_DN_OU}} == '{PEOPLE}'"
        f" && %{{SSL_CLIENT_S_DN_CN}} in {{{names}}}"
    )


def direct(site: Site) -> bool:
    """Return whether requests go to a socket without a balancer: a local socket needs no health checks.

    A prefix that URLs encode needs a balancer: mod_proxy finds a socket by the URL, which it encodes first.
    """
    plain = all(place.path == encoded(place.path) for place in site.locations)
    return len(site.backends) == 1 and site.backends[0].is_socket and plain


def pattern(place: Location) -> str:
    """Return a regular expression for a place whose path Location would read as a wildcard; "" for others."""
    if not re.search(r"[*?\[\]]", place.path):
        return ""
    # a place without a final slash also covers what is below it, as with Location
    return f"^{regex(place.path)}{'(/|$)' if place.exact else ''}"


def pool(site: Site) -> str:
    """Return the name of an application's backends."""
    return f"app-{site.app.name}"


def member(site: Site, backend: Backend) -> str:
    """Return a backend in mod_proxy's syntax. For a socket, the host name only appears in logs."""
    if backend.is_socket:
        return f"unix:{backend.address}|http://{pool(site)}"
    return f"{site.scheme}://{backend.address}"


def sources(networks: Iterable[str]) -> list[str]:
    """Return networks as Apache takes them: it refuses masks of no bits (apr_ipsubnet_create), so 0.0.0.0/0 is two."""
    found: list[str] = []
    for each in networks:
        halves = ip_network(each).subnets() if each.endswith("/0") else ()
        found += map(str, halves) if halves else [each]
    return found


def websockets(site: Site) -> str:
    """Return the name of its backends for WebSockets, which may be silent for an hour."""
    return f"{pool(site)}-websockets"


def target(site: Site, place: Location) -> str:
    """Return where requests below a place go. Streams have another worker, with limits of its own."""
    name = pool(site) + ("-streams" if place.stream else "")
    if direct(site):
        return f"unix:{site.backends[0].address}|http://{name}{place.path}"
    return f"balancer://{name}{place.path}"


def options(site: Site, place: Location) -> list[str]:
    """Return options for its socket; for balancers, they are set on the members."""
    if not direct(site):
        return []
    # a little longer than the server's own limit, so that the server answers first
    timeout = 3600 if place.stream else site.app.timeout + 5
    flush = ["flushpackets=on"] if place.stream else []
    # shorter than the backend keeps idle connections
    reuse = "ttl=30" if site.keepalive else "disablereuse=on"
    # headers of an answer: 32 KB, as nginx accepts
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


def without(site: Site) -> dict[str, list[Backend]]:
    """Return the hosts for second tries by the route that was asked first: all but that one.

    Without a route, Apache took all of them to be down, and has asked none: any of them may be back.
    """
    if not site.balanced or len(site.backends) < 2:
        return {}
    others = {
        f"r{number}": [each for each in site.backends if each is not left_out]
        for number, left_out in enumerate(site.backends, 1)
    }
    return {"": list(site.backends), **others}


def pool_without(site: Site, route: str) -> str:
    """Return the name of the backends for second tries after a route; "" for the one of all hosts."""
    return f"{pool(site)}-without-{route or 'none'}"


def again(app: App) -> str:
    """Return the prefix of second tries of an application's requests, for Apache itself only."""
    return f"/.prov-again/{app.name}"


def error_place(app: App) -> str:
    """Return the prefix of an application's error pages, for Apache itself only."""
    return f"/.prov-errors/{app.name}/"


def max_body(app: App) -> int:
    """Return the largest request body in bytes; 0 for no limit."""
    number, unit = re.fullmatch(r"(\d+)([kmg]?)", app.max_body).groups()  # type: ignore[union-attr]
    return int(number) * UNITS.get(unit, 1)
