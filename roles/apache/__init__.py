"""Apache as the front: TLS, static files, caching, limits, and a proxy to each application's socket or hosts."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from provision.controller.outcome import Outcome
from provision.inventory.fields import matching
from provision.role import Host, task
from provision.serving.client_headers import DOT_SEGMENT, METHOD_OVERRIDES, dropped
from provision.serving.front_answers import HASHED, PARTS, cacheable
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
from provision.steps import apt, configuration, files, logrotate, served, systemd
from roles.apache import cache, guard, places
from roles.apache.limits import counter, libraries, limits_of, marks
from roles.tls import Tls

OFFERS = (
    "static", "media", "streams", "cache", "rate_limit", "error_pages", "maintenance", "auth: basic", "auth: django",
    "auth: certificate", "balance", "redirects", "headers", "allow", "deny", "default", "health_by_any_name",
    "snippets", "previews",
)  # fmt: skip
UNIT = "apache2"
SITES = "/etc/apache2/sites-enabled/app-{}.conf"
LOGS = ("/var/log/apache2/access.log", "/var/log/apache2/error.log")
# mod_proxy, "status" of BalancerMember: stopped
MEMBER = ("BalancerMember", "status=+S")
FOLDER = "/etc/apache2"
#: Mozilla's intermediate profile
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
#: modules that each of our sites may need, in an order in which they can be loaded; the rest are compiled in
MODULES = (
    "mpm_event", "authn_core", "authn_file", "authz_core", "authz_host", "authz_user", "auth_basic", "alias", "mime",
    "env", "setenvif", "headers", "filter", "deflate", "rewrite", "reqtimeout", "socache_shmcb", "slotmem_shm",
    "lua", "proxy", "proxy_http", "proxy_balancer", "proxy_hcheck", "lbmethod_byrequests", "lbmethod_bybusyness",
)  # fmt: skip

Module = Annotated[str, matching(r"[a-z0-9_]+", "the name of a module, without mod_")]


class Apache(FrontParams):
    """Parameters of the role `apache`."""

    max_request_workers: int = Field(default=400, ge=25)
    """Requests handled at once; more wait. Idle connections do not count (mpm_event, MaxRequestWorkers)."""
    keepalive_timeout: int = Field(default=65, ge=1)
    """Seconds that an idle client connection stays open."""
    modules: tuple[Module, ...] = ()
    """Further modules to load, by their names without mod_, for files of your own in /etc/apache2/conf-enabled."""


@task
def install(c: Host, p: Apache) -> None:
    """Install Apache and serve every application of this host that names it as its front."""
    hosts = virtual_hosts(c)
    if not c.assignment.served.beside:
        program(c, limited=bool(limits_of(hosts)))
    inputs = [*front_files(c, hosts, c.params(Tls).ca), *cache.folders(c, hosts)]
    guards = {found.app.name: found for found in guard.guards(c, hosts)}
    for found in guards.values():
        guard.start(c, found)
    conf = configure(c, p, hosts, guards)
    check = ["apache2", "-t"]
    if c.assignment.served.beside:
        apache = systemd.service(
            c, "apache2", reload_on=[conf, *inputs], check_with=check, renews=True, adds=True
        )
    else:
        unit = systemd.unit(c, "apache2.service", c.render("apache2.service.j2"))
        logs(c)
        apache = systemd.service(
            c,
            "apache2",
            restart_on=[unit],
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
            served.served_certificate(c, host.certificate, host.server_name, when=[apache])
    if not c.assignment.served.beside:
        cache.upkeep(c, hosts)


def program(c: Host, *, limited: bool) -> None:
    """Install Apache. limited: with the module that limits requests."""
    # without the package apache2: it starts a server with a default page, on ports that another front may use
    apt.packages(c, ["apache2-bin", "media-types", "logrotate", *(["libapache2-mod-qos"] if limited else [])])
    # the unit depends on them; the configuration is judged before it starts
    files.directory(c, "/run/apache2", mode=0o755, owner="root")
    files.directory(c, "/var/log/apache2", mode=0o750, owner="root", group="adm")


def configure(c: Host, p: Apache, hosts: list[VirtualHost], guards: dict[str, guard.AuthServer]) -> Outcome:
    """Apache's configuration as a whole; files that others put there are judged together with it."""
    tls = next((host for host in hosts if host.tls), None)
    caches = any(site.app.cache for host in hosts for site in host.sites)
    limited = limits_of(hosts)
    trusted = places.sources(sorted({*p.trusted_proxies, *proxies(c)}))
    modules = [
        *MODULES,
        *(["ssl", "http2"] if tls else []),
        *(["cache", "cache_disk"] if caches else []),
        *(["remoteip"] if trusted else []),
        *(["qos"] if limited else []),
    ]
    shared: dict[str, Any] = {
        **template_values(hosts),
        "pattern": places.pattern,
        "sources": places.sources,
        "direct": places.direct,
        "target": places.target,
        "options": places.options,
    }
    main = c.render(
        "apache2.conf.j2",
        p=p,
        libraries=libraries(c, limited, trusted),
        modules=[*modules, *(m for m in p.modules if m not in modules)],
        tls=tls,
        ciphers=CIPHERS,
        caches=caches,
        locks=cache.LOCKS,
        limits=limited,
        counter=counter,
        trusted=trusted,
        trusted_headers=p.trusted_headers,
        dropped=dropped(p.trusted_headers if trusted else ()),
        overrides=METHOD_OVERRIDES,
        default=next((host for host in hosts if host.default), None),
        **shared,
    )
    headers = c.role_file("files", "headers.lua")
    texts = {"apache2.conf": main, "headers.lua": headers.read_text(encoding="utf-8")}
    if p.access_log == "json":
        texts["json-log.sed"] = c.render("json-log.sed")
    if c.assignment.served.beside:
        texts.clear()
    for host in hosts:
        texts[site_file(c, host)] = c.render(
            "site.conf.j2",
            p=p,
            host=host,
            places=places.places(host),
            guards=guards,
            guarded=places.guarded,
            inside_cached=places.inside_cached,
            dot_segment=DOT_SEGMENT,
            member=places.member,
            pool=places.pool,
            people=places.people,
            websockets=places.websockets,
            without=places.without,
            pool_without=places.pool_without,
            again=places.again,
            hashed=HASHED,
            parts=PARTS,
            cacheable=cacheable,
            **shared,
            error_place=places.error_place,
            max_body=places.max_body,
            compressed=places.COMPRESSED,
            passwords=passwords_path,
            marks=marks,
            bypassed=cache.bypassed,
            cache_root=cache.root(host),
            authority=host.authority,
        )
    own = snippets(hosts)
    return configuration.configuration(
        c,
        FOLDER,
        {**texts, **{path: file.read_bytes() for path, file in own.items()}},
        only=[] if c.assignment.served.beside else ["sites-enabled/app-*.conf", "prov-snippets/*"],
        check_with=["apache2", "-t"],
        origins={path: str(file) for path, file in own.items()},
    )


def site_file(c: Host, host: VirtualHost) -> str:
    """Return where a virtual host's file is, below /etc/apache2. Deploys leave that of a preview alone."""
    return f"sites-enabled/{'preview' if c.assignment.served.beside else 'app'}-{host.name}.conf"


def logs(c: Host) -> None:
    """Rotate the logs. A reload reopens them, and judges the configuration first."""
    logrotate.rotation(
        c,
        "apache2",
        "/var/log/apache2/*.log",
        create="0640 root adm",
        after=[["systemctl", "reload", "apache2.service"]],
    )
