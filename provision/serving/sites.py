"""What the fronts share: the sites of a host, and where their requests go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from provision.apps.app_model import App
from provision.apps.app_releases import Release
from provision.apps.application import Application
from provision.apps.balancing import Balanced
from provision.apps.host_addresses import address_of, addresses_of
from provision.apps.renewals import CHALLENGES
from provision.apps.tls import AUTHORITY_PATH, authority_path, certificate_path, key_path
from provision.apps.tls_settings import Acme
from provision.declared.fronts import Front, fronts
from provision.declared.role_folders import search_path
from provision.inventory.fields import encoded
from provision.serving.front_answers import hidden, sent
from provision.serving.instances import instance, running_role
from provision.serving.locations import Location, at, location, locations
from provision.steps import files, maintenance
from provision.steps.maintenance import CLOSED, EXCEPT, FOLDER
from provision.values import dataclass

if TYPE_CHECKING:
    from provision.roles.role_host import Host

#: seconds after which clients of a closed application may ask again
RETRY_AFTER = 120
Method = Literal["round_robin", "least_conn", "ip_hash"]


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
    """An application below one prefix of a virtual host.

    app: its release's files are on this host unless it is balanced.  backends: at least one.
    balanced: whether they are fronts of other hosts, spoken to by TLS where the application has it.
    keepalive: whether connections to them are kept for more requests.
    """

    app: Application
    backends: tuple[Backend, ...]
    method: Method = "round_robin"
    balanced: bool = False
    keepalive: bool = False

    @property
    def server_name(self) -> str:
        return server_name(self.app)

    @property
    def release(self) -> Release:
        """The application's release."""
        return self.app.release

    @property
    def prefix(self) -> str:
        """Where it begins on its domains: "/" or "/shop/"."""
        return self.app.path

    def at(self, place: str) -> str:
        """A path below the application's own, as clients see it: "/static/" is "/shop/static/"."""
        return at(self.app, place)

    @property
    def scheme(self) -> str:
        """The protocol of its backends."""
        return "https" if self.balanced and self.app.tls != "none" else "http"

    @property
    def snippets(self) -> dict[str, Path]:
        """Snippets of its own: path below the front's folder, and the file on this machine."""
        return {
            f"prov-snippets/{self.app.name}-{n}.conf": file for n, file in enumerate(self.app.snippets, 1)
        }

    @cached_property
    def locations(self) -> list[Location]:
        """Its places and what holds for each."""
        return locations(self.release)

    @cached_property
    def error_pages(self) -> dict[int, str]:
        """HTTP status: name of the file in `error_pages` of the release that is shown for it."""
        folder = self.app.error_pages
        if folder is None:
            return {}
        beginning = f"{self.app.in_source(folder)}/"
        names = [e[0].removeprefix(beginning) for e in self.release.entries if e[0].startswith(beginning)]
        stems = {name.removesuffix(".html"): name for name in names if name.endswith(".html")}
        return {
            int(stem): name for stem, name in sorted(stems.items()) if stem.isdecimal() and len(stem) == 3
        }


@dataclass(frozen=True)
class VirtualHost:
    """Applications that share domains, front and certificate, by different prefixes; longest prefix first."""

    sites: tuple[Site, ...]

    @property
    def first(self) -> App:
        """The application that gives files their name; its certificate serves all of them."""
        return min((site.app for site in self.sites), key=lambda app: app.name)

    @property
    def name(self) -> str:
        return self.first.name

    @property
    def domains(self) -> Sequence[str]:
        return self.first.domains

    @property
    def server_name(self) -> str:
        return server_name(self.first)

    @property
    def redirects(self) -> Sequence[str]:
        """Names that lead to the first domain."""
        return self.first.redirects

    @property
    def default(self) -> Site | None:
        """The application that answers unknown names, if it is one of these."""
        return next((site for site in self.sites if site.app.default), None)

    @property
    def main(self) -> str:
        """The name that others lead to; "" if the first domain stands for many."""
        return "" if self.domains[0].startswith("*.") else self.domains[0]

    @property
    def tls(self) -> bool:
        return self.first.tls != "none"

    @property
    def challenges(self) -> str:
        """The folder with answers to the questions of an ACME authority; "" if none will ask."""
        tls = self.first.tls
        return CHALLENGES if isinstance(tls, Acme) and tls.challenge == "http-01" else ""

    @property
    def certificate(self) -> str:
        return certificate_path(self.first)

    @property
    def key(self) -> str:
        return key_path(self.first)

    @property
    def authority(self) -> str:
        """What verifies the fronts of other hosts."""
        return authority_path(self.first)

    @property
    def people(self) -> str:
        """What verifies the certificates of people; "" if no application of these lets any in by them."""
        found = any(site.app.auth and site.app.auth.by == "certificate" for site in self.sites)
        return AUTHORITY_PATH if found else ""


@dataclass(frozen=True)
class Probe:
    """The health path of an application that answers by any name."""

    site: Site
    place: Location

    @property
    def host(self) -> str:
        """The name that the application sees."""
        return self.site.server_name

    @property
    def url_path(self) -> str:
        """Its path as a request has it."""
        return encoded(self.place.path)

    @property
    def authority(self) -> str:
        """What verifies the fronts of other hosts."""
        return authority_path(self.site.app)


def server_name(app: App) -> str:
    """The first domain of an application as a valid server name: a wildcard becomes www."""
    return app.domains[0].replace("*", "www", 1)


def probes(hosts: Iterable[VirtualHost]) -> list[Probe]:
    """The health paths that answer by any name."""
    sites = [site for host in hosts for site in host.sites if site.app.health_by_any_name]
    return [Probe(site, location(site.release, site.app.health)) for site in sites]


def template_values(hosts: Sequence[VirtualHost]) -> dict[str, Any]:
    """What the templates of all fronts get: health paths that answer by any name, and headers of answers."""
    return {
        "probes": probes(hosts),
        "elsewhere": lambda host: probes(other for other in hosts if other is not host),
        "sent": sent,
        "closed": lambda app: f"{FOLDER}/{app.name}/{CLOSED}",
        "let_through": lambda app: f"{FOLDER}/{app.name}/{EXCEPT}",
        "RETRY_AFTER": RETRY_AFTER,
        "hidden": hidden,
    }


def snippets(hosts: Iterable[VirtualHost]) -> dict[str, Path]:
    """The snippets of all sites. Paths are of this machine."""
    return {path: file for host in hosts for site in host.sites for path, file in site.snippets.items()}


def virtual_hosts(c: Host) -> list[VirtualHost]:
    """What the running front serves on this host, in the order of the inventory: its applications, and those
    it balances."""
    front = running_role(c)
    own = [own_site(c, app) for app in c.apps if app.front == front]
    others = [site_of(b) for b in c.balanced if b.balance.front == front]
    return grouped([*own, *others])


def idle_fronts(c: Host) -> list[Front]:
    """The fronts besides the running one that this host has no use for: by its roles, its applications or
    those that
    it balances. One with the same unit is the same program."""
    used = {*c.inventory.roles, *(app.front for app in c.apps)}
    used.update(balanced.balance.front for balanced in c.balanced)
    folders = search_path(c.inventory.inventory.project)
    known = fronts(folders)
    own = {each.unit for each in known if each.name == running_role(c)}
    return [each for each in known if each.unit not in own and each.name not in used]


def sites_elsewhere_gone(c: Host) -> None:
    """Remove the applications' old sites from other fronts."""
    for front in idle_fronts(c):
        for app in c.apps:
            files.absent(c, front.site(app.name))


def keep_switches(c: Host, hosts: Iterable[VirtualHost]) -> None:
    """Keep what `prov maintenance` has set for the applications of these hosts."""
    maintenance.switches(c, [site.app.name for host in hosts for site in host.sites])


def own_site(c: Host, app: Application) -> Site:
    """An application of this host as a site."""
    found = instance(c, app)
    return Site(app, tuple(map(Backend, found.listens)), keepalive=found.keeps_connections)


def site_of(balanced: Balanced) -> Site:
    """A balanced application as a site: what its own hosts do for it, files and passwords, is left to
    them."""
    balance = balanced.balance
    app = balanced.app.model_copy(
        update={
            "static": {},
            "media": {},
            "routes": (),
            "snippets": (),
            "auth": None,
            "error_pages": None,
            "maintenance": False,
        }
    )
    port = 80 if app.tls == "none" else 443
    backends = tuple(
        Backend(
            f"{bracketed(address_of(host))}:{port}",
            balance.weights.get(host.name, 1),
            host.name in balance.backup,
        )
        for host in balanced.hosts
    )
    return Site(app, backends, balance.method, balanced=True, keepalive=True)


def bracketed(address: str) -> str:
    """Return an IPv6 address in brackets, as before a port (RFC 3986, 3.2.2)."""
    return f"[{address}]" if ":" in address else address


def proxies(c: Host) -> list[str]:
    """Addresses of the hosts that balance to this one."""
    return addresses_of(c.balancers)


def grouped(sites: Iterable[Site]) -> list[VirtualHost]:
    """Sites by the domains that they share (`apps.domains_claimed_twice` has refused half-shared ones)."""
    groups: dict[frozenset[str], list[Site]] = {}
    for site in sites:
        groups.setdefault(frozenset(site.app.domains), []).append(site)
    return [
        VirtualHost(tuple(sorted(group, key=lambda s: len(s.prefix), reverse=True)))
        for group in groups.values()
    ]
