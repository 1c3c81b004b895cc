"""nginx as the front: TLS, static files, caching, limits, and a proxy to each application's socket or hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import Field

from provision.apps.app_model import App
from provision.apps.authority_files import PEOPLE
from provision.apps.renewals import is_public
from provision.apps.settings import Cache
from provision.errors import ConfigError
from provision.role import Host, task
from provision.serving.client_headers import DOT_SEGMENT, METHOD_OVERRIDES, dropped, variable
from provision.serving.front_answers import HASHED, PARTS, cacheable, hidden, sent
from provision.serving.front_files import front_files, passwords_path
from provision.serving.front_params import FrontParams
from provision.serving.issuing import issued_later
from provision.serving.sites import (
    VirtualHost,
    idle_fronts,
    keep_switches,
    proxies,
    sites_elsewhere_gone,
    snippets,
    template_values,
    virtual_hosts,
)
from provision.steps import apt, configuration, files, served, systemd
from provision.system import writers
from roles.tls import Tls

OFFERS = (
    "static", "media", "streams", "cache", "rate_limit", "error_pages", "maintenance", "auth: basic",
    "auth: certificate", "balance",
    "redirects", "headers", "allow", "deny", "default", "health_by_any_name",
    "snippets", "previews",
)  # fmt: skip
UNIT = "nginx"
SITES = "/etc/nginx/sites-enabled/{}.conf"
LOGS = ("/var/log/nginx/access.log", "/var/log/nginx/error.log")
# ngx_http_upstream_module, "server"
MEMBER = ("server", "down")
# nginx: "Controlling nginx"
DRAINING = "nginx: worker process is shutting down"
CACHE = "/var/cache/nginx-prov"
BROTLI = "libnginx-mod-http-brotli-filter"
#: the first releases of distributions whose nginx has the directive `http2 on` (1.25.1), HTTP/3, and brotli
HTTP2_FROM = HTTP3_FROM = {"debian": 13.0, "ubuntu": 25.04}
BROTLI_FROM = {"debian": 12.0, "ubuntu": 24.04}


class Nginx(FrontParams):
    """Parameters of the role `nginx`."""

    worker_connections: int = Field(default=1024, ge=64)
    """Connections per worker (nginx.conf, `events`)."""
    keepalive_timeout: int = Field(default=65, ge=0)
    """Seconds that an idle client connection stays open."""
    http3: bool = False
    """Speak HTTP/3 too, on port 443 by UDP, and tell browsers so (Alt-Svc). Needs Debian 13 or Ubuntu 25.04."""
    brotli: bool = False
    """Compress by brotli for clients that take it, else by gzip. Needs Debian 12 or Ubuntu 24.04."""

    def openings(self, host: Host) -> Iterator[str]:
        yield from super().openings(host)
        served = [app for app in host.assignment.served.every if app.tls != "none"]
        if self.http3 and any(is_public(app, host.inventory, host.balancers) for app in served):
            yield "443/udp"

    def unmet(self, host: Host) -> Iterator[ConfigError]:
        needs = (("http3", "HTTP/3", HTTP3_FROM), ("brotli", "the module for brotli", BROTLI_FROM))
        for name, what, first in needs:
            if getattr(self, name) and not host.facts.is_from(first):
                why = f"nginx of {host.facts.distribution} {host.facts.version} lacks {what}"
                yield host.inventory.error(("nginx", name), why, f"Remove `{name}`, or use a newer release.")


@task
def install(c: Host, p: Nginx) -> None:
    """Install nginx and serve every application of this host that names it as its front."""
    # a broken configuration would keep it from starting, and so fail the installation of the package
    if not c.assignment.served.beside:
        apt.packages(c, ["nginx", *([BROTLI] if p.brotli else [])], start=False)
    hosts = virtual_hosts(c)
    inputs = front_files(c, hosts, c.params(Tls).ca)
    if any(site.app.cache for host in hosts for site in host.sites):
        files.directory(c, CACHE, mode=0o700, owner="www-data")
    trusted = sorted({*p.trusted_proxies, *proxies(c)})
    shared: dict[str, Any] = {
        "said": {
            "overrides": METHOD_OVERRIDES,
            "trusted_headers": p.trusted_headers if trusted else (),
            "dropped": dropped(p.trusted_headers if trusted else ()),
            "variable": variable,
        },
        **template_values(hosts),
    }
    conf = configuration.configuration(
        c,
        "/etc/nginx",
        {
            **({} if c.assignment.served.beside else {"nginx.conf": main(c, p, hosts, trusted, shared)}),
            **{site_file(host.name): site(c, p, host, shared) for host in hosts},
            **{path: file.read_bytes() for path, file in snippets(hosts).items()},
        },
        # the distribution's own site, and sites of applications that moved to another front
        only=[]
        if c.assignment.served.beside
        else ["prov-snippets/*", "sites-enabled/default", *(site_file(app.name) for app in c.apps)],
        # a renamed or removed application would still answer: of two sites with one name, nginx takes the
        # first
        own=[] if c.assignment.served.beside else [site_file("*")],
        check_with=["nginx", "-t"],
        origins={path: str(file) for path, file in snippets(hosts).items()},
    )
    check = ["nginx", "-t"]
    if c.assignment.served.beside:
        nginx = systemd.service(
            c, "nginx", reload_on=[conf, *inputs], check_with=check, renews=True, adds=True
        )
    else:
        hardened = systemd.drop_in(c, "nginx", "prov", c.render("hardening.conf.j2"))
        nginx = systemd.service(
            c,
            "nginx",
            restart_on=[hardened],
            reload_on=[conf, *inputs],
            check_with=check,
            instead_of=[other.unit for other in idle_fronts(c)],
            renews=True,
            ports=[80, 443] if any(host.tls for host in hosts) else [80],
            shares_ports=True,
        )
    sites_elsewhere_gone(c)
    keep_switches(c, hosts)
    issued_later(c, hosts, c.params(Tls).key_type)
    for host in hosts:
        if host.tls:
            served.served_certificate(c, host.certificate, host.server_name, when=[nginx])


def main(
    c: Host, p: Nginx, hosts: Sequence[VirtualHost], trusted: Sequence[str], shared: Mapping[str, Any]
) -> str:
    """Write nginx.conf. shared: what it has in common with the files of virtual hosts."""
    return c.render(
        "nginx.conf.j2",
        p=p,
        tls=any(host.tls for host in hosts),
        trusted=trusted,
        hashed=HASHED,
        default=next((host for host in hosts if host.default), None),
        **shared,
    )


def site(c: Host, p: Nginx, host: VirtualHost, shared: Mapping[str, Any]) -> str:
    """Write the file of a virtual host. shared: what it has in common with nginx.conf."""
    # a balancer in front has a port of its own to tell of
    http3 = p.http3 and is_public(host.first, c.inventory, c.balancers)
    return c.render(
        "site.conf.j2",
        p=p,
        host=host,
        http2_directive=c.facts.is_from(HTTP2_FROM),
        authority=host.authority,
        cache_folder=CACHE,
        passwords=passwords_path,
        error_place=lambda app: f"/.prov-errors/{app.name}/",
        cookies=cookies,
        person=person,
        unit=PEOPLE,
        bypassed=bypassed,
        maintenance=maintenance,
        dot_segment=DOT_SEGMENT,
        cacheable=cacheable,
        parts=PARTS,
        HERE=writers.HERE,
        **{**shared, "sent": partial(sent, http3=http3), "hidden": partial(hidden, http3=http3)},
    )


def site_file(name: str) -> str:
    """Return where a virtual host's file is, below /etc/nginx."""
    return f"sites-enabled/{name}.conf"


def maintenance(app: App) -> str:
    """Return the variable with the seconds after which clients may ask again, if an application is closed."""
    return f"maintenance_{app.name.replace('-', '_')}"


def cookies(app: App) -> str:
    """Return the variable that says whether a request has a cookie that bypasses the cache."""
    return f"cache_bypass_{app.name.replace('-', '_')}"


def person(app: App) -> str:
    """Return the variable that says whether a request comes with the certificate of a person that may see it."""
    return f"person_{app.name.replace('-', '_')}"


def bypassed(app: App) -> list[str]:
    """Return variables that are neither empty nor 0 in requests that bypass the cache."""
    assert isinstance(app.cache, Cache)
    names = [f"http_{variable(name)}" for name in app.cache.bypass_headers]
    return [*names, cookies(app)] if app.cache.bypass_cookies else names
