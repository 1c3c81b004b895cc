"""What the fronts share: which sites a host serves, and where each one's requests go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provision.apps import App
from provision.releases import Release, release_of
from provision.serving import upstream
from provision.tls import certificate_path, key_path

if TYPE_CHECKING:
    from provision.app_settings import Front
    from provision.host import Host


@dataclass(frozen=True)
class Backend:
    """Where requests go. address: path of a unix socket, or HOST:PORT."""

    address: str
    weight: int = 1
    backup: bool = False

    @property
    def is_socket(self) -> bool:
        return self.address.startswith("/")


@dataclass(frozen=True)
class Site:
    """An application below one prefix of a virtual host. release: what of it is on this host."""

    app: App
    release: Release
    backends: tuple[Backend, ...]

    @property
    def prefix(self) -> str:
        """Where it begins on its domains: "/" or "/shop/"."""
        return self.app.path

    def at(self, place: str) -> str:
        """A path below the application's own, as clients see it: "/static/" is "/shop/static/"."""
        return self.prefix.rstrip("/") + place


@dataclass(frozen=True)
class VirtualHost:
    """Applications that share domains, front and certificate, by different prefixes; longest prefix first."""

    sites: tuple[Site, ...]

    @property
    def first(self) -> App:
        """The application after which files are called; its certificate is for all of them."""
        return min((site.app for site in self.sites), key=lambda app: app.name)

    @property
    def name(self) -> str:
        return self.first.name

    @property
    def domains(self) -> Sequence[str]:
        return self.first.domains

    @property
    def tls(self) -> bool:
        return self.first.tls != "none"

    @property
    def certificate(self) -> str:
        return certificate_path(self.first)

    @property
    def key(self) -> str:
        return key_path(self.first)


def virtual_hosts(c: Host, front: Front) -> list[VirtualHost]:
    """What a front serves on this host, in the order of the inventory."""
    sites = [Site(app, release_of(app), (Backend(upstream(c, app)),)) for app in c.apps if app.front == front]
    return grouped(sites)


def grouped(sites: Iterable[Site]) -> list[VirtualHost]:
    """Sites by the domains that they share (`apps.domains_claimed_twice` has refused half-shared ones)."""
    groups: dict[frozenset[str], list[Site]] = {}
    for site in sites:
        groups.setdefault(frozenset(site.app.domains), []).append(site)
    return [
        VirtualHost(tuple(sorted(group, key=lambda s: len(s.prefix), reverse=True)))
        for group in groups.values()
    ]
