"""Request limits per client, counted by mod_qos, as Apache itself has none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from provision.apps.app_model import App
from provision.apps.settings import RateLimit
from provision.errors import ConfigError
from provision.role import Host
from provision.serving.sites import VirtualHost
from provision.values import dataclass


@dataclass(frozen=True)
class Limit:
    """A limit of requests per client and seconds. name: of the application that they are counted for."""

    name: str
    requests: int
    seconds: int


#: the first releases whose mod_qos recognises clients behind proxies, and has all its libraries
FIRST_WHOLE = {"debian": 13.0, "ubuntu": 24.04}


def is_whole(c: Host) -> bool:
    """Return whether this host's mod_qos is 11.7 or later."""
    return c.facts.is_from(FIRST_WHOLE)


def libraries(c: Host, limited: Sequence[Limit], trusted: Sequence[str]) -> list[str]:
    """Return what mod_qos needs loaded. Raises ConfigError if it would count a proxy's clients as one."""
    if not limited or is_whole(c):
        return []
    if trusted:
        raise ConfigError(
            f"the mod_qos of {c.facts.distribution} {c.facts.version} takes a proxy's clients for one client",
            hint="Have the proxy before this host limit requests, or use a later release, such as Debian 13.",
        )
    # Debian 12: Apache has moved to PCRE2, and no longer loads the library that the module is linked against
    return [f"/usr/lib/{c.facts.architecture}-linux-gnu/libpcre.so.3"]


def limits_of(hosts: Iterable[VirtualHost]) -> list[Limit]:
    """Return the limits of all applications of a front."""
    apps = [site.app for host in hosts for site in host.sites]
    return [limit(app, app.rate_limit) for app in apps if app.rate_limit]


def limit(app: App, rate_limit: RateLimit) -> Limit:
    """Return the shortest window of whole seconds, as mod_qos has them, with the burst within the rate."""
    seconds = max(1, math.ceil((rate_limit.burst + 1) / rate_limit.per_second))
    return Limit(app.name, max(1, math.floor(seconds * rate_limit.per_second)), seconds)


def counter(name: str) -> str:
    """Return the variable that mod_qos counts."""
    return f"prov_limit_{name.replace('-', '_')}"


def marks(app: App | None, limited: Iterable[App]) -> list[str]:
    """Return what mod_setenvif sets for requests that count for an application, or for none. QS_Cond says
    whose limit applies to them: a client who has reached one limit still gets everything else."""
    others = [f"!{counter(other.name)}" for other in limited if other is not app]
    own = [counter(app.name), f"QS_Cond={app.name}"] if app else ["!QS_Cond"]
    return [*own, *others]
