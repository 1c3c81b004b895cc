"""Apache's cache on disk, in a folder for each state of what is served: a deploy abandons old answers."""

from __future__ import annotations

import json

from provision.apps.app_model import App
from provision.apps.app_releases import short_hash
from provision.controller.outcome import Outcome
from provision.role import Host
from provision.serving.sites import VirtualHost
from provision.steps import apt, files, systemd, tree
from provision.system.writers import regex

FOLDER = "/var/cache/apache2/prov"
LOCKS = f"{FOLDER}/.locks"
UNITS = {"m": 1, "g": 1024}


def folder(host: VirtualHost) -> str:
    """Return the folder of a virtual host's caches."""
    return f"{FOLDER}/{host.name}"


def root(host: VirtualHost) -> str:
    """Return where its answers are kept, by the releases that give them; "" if nothing of it is cached."""
    cached = [site.release.id for site in host.sites if site.app.cache]
    return f"{folder(host)}/{short_hash(json.dumps(cached))}" if cached else ""


def folders(c: Host, hosts: list[VirtualHost]) -> list[Outcome]:
    """Make folders for what is cached; none if nothing is."""
    cached = [host for host in hosts if root(host)]
    if not cached:
        return []
    for path in ("/var/cache/apache2", FOLDER):
        files.directory(c, path, mode=0o755, owner="root")
    made = [files.directory(c, LOCKS, mode=0o700, owner="www-data", group="www-data")]
    for host in cached:
        files.directory(c, folder(host), mode=0o755, owner="root")
        made.append(files.directory(c, root(host), mode=0o700, owner="www-data", group="www-data"))
    return made


def upkeep(c: Host, hosts: list[VirtualHost]) -> None:
    """Keep caches within their sizes, and remove those of earlier releases once the front has left them."""
    cached = [host for host in hosts if root(host)]
    if not cached:
        return
    apt.packages(c, "apache2-utils")
    sizes = [(root(host), size(host)) for host in cached]
    systemd.unit(c, "apache2-cache.service", c.render("cache.service.j2", caches=sizes))
    systemd.unit(c, "apache2-cache.timer", c.render("cache.timer.j2"))
    systemd.service(c, "apache2-cache.timer")

    def leave() -> None:
        for host in cached:
            tree.tree(c, folder(host), [], keep=[root(host).rsplit("/", 1)[1]])

    c.later(leave)


def size(host: VirtualHost) -> int:
    """Return the size of a virtual host's caches in megabytes."""
    caches = [site.app.cache for site in host.sites if site.app.cache]
    return sum(int(cache.size[:-1]) * UNITS[cache.size[-1]] for cache in caches)


def bypassed(app: App) -> str:
    """Return the condition under which a request bypasses the cache."""
    assert app.cache is not None
    conditions = [f"-n req('{name}')" for name in app.cache.bypass_headers]
    if app.cache.bypass_cookies:
        cookies = "|".join(regex(name) for name in app.cache.bypass_cookies)
        conditions.append(f"req('Cookie') =~ /(^|; *)({cookies})=/")
    return " || ".join(conditions)
