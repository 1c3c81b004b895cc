"""Requests per client: mod_qos counts them, as Apache itself does not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from provision.app_settings import RateLimit
from provision.apps import App
from provision.fronts import VirtualHost


@dataclass(frozen=True)
class Limit:
    """So many requests of one client in so many seconds. name: of the variable that marks those that count."""

    name: str
    requests: int
    seconds: int


def limits(hosts: Iterable[VirtualHost]) -> list[Limit]:
    """The limits of all applications of a front."""
    apps = [site.app for host in hosts for site in host.sites]
    return [limit(app, app.rate_limit) for app in apps if app.rate_limit]


def limit(app: App, rate_limit: RateLimit) -> Limit:
    """mod_qos counts in windows: the shortest of whole seconds in which the burst is within the rate."""
    seconds = max(1, math.ceil((rate_limit.burst + 1) / rate_limit.per_second))
    return Limit(counter(app), max(1, math.floor(seconds * rate_limit.per_second)), seconds)


def counter(app: App) -> str:
    """The variable of the requests that count for an application."""
    return f"prov_limit_{app.name.replace('-', '_')}"
