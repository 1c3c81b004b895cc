"""What the role of Apache works out before it writes anything."""

from __future__ import annotations

from typing import Any

import pytest

from provision.apps.app_model import App
from provision.apps.settings import Cache, RateLimit
from provision.serving.locations import Location
from provision.serving.sites import Backend, Site
from roles.apache import cache, limits, places


def app(**settings: object) -> App:
    values = {
        "name": "shop",
        "source": "https://git.example/shop.git",
        "target": "a:b",
        "domains": ("a.test",),
    }
    return App.model_validate({**values, **settings})


@pytest.mark.parametrize(
    ("rate", "burst", "requests", "seconds"),
    [("10/s", 20, 30, 3), ("2/s", 5, 6, 3), ("1/s", 0, 1, 1), ("100/m", 20, 21, 13), ("1/m", 0, 1, 60)],
)
def test_a_window_holds_the_burst_and_no_more_than_the_rate(
    rate: str, burst: int, requests: int, seconds: int
) -> None:
    limit = RateLimit(rate=rate, burst=burst)
    found = limits.limit(app(rate_limit=limit), limit)
    assert (found.requests, found.seconds) == (requests, seconds)
    assert found.requests > burst
    assert found.requests / found.seconds <= limit.per_second


@pytest.mark.parametrize(
    ("size", "expected"), [("512", 512), ("1k", 1024), ("10m", 10 << 20), ("2g", 2 << 30)]
)
def test_sizes_in_bytes(size: str, expected: int) -> None:
    assert places.max_body(app(max_body=size)) == expected


def test_requests_with_cookies_or_headers_have_no_part_in_the_cache() -> None:
    found = cache.bypassed(app(cache=Cache(bypass_cookies=("id.x", "s"), bypass_headers=("Authorization",))))
    assert found == r"-n req('Authorization') || req('Cookie') =~ /(^|; *)(id\.x|s)=/"
    assert cache.bypassed(app(cache=Cache(bypass_cookies=(), bypass_headers=()))) == ""


def test_networks_of_all_addresses_are_two_for_apache() -> None:
    given = ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1", "::/0", "10.0.0.0/30"]
    assert places.sources(given) == [
        *("10.0.0.0/8", "0.0.0.0/1", "128.0.0.0/1", "192.0.2.1", "::/1", "8000::/1", "10.0.0.0/30")
    ]


def test_what_lies_in_a_cached_place() -> None:
    inside, around = Location("/a/b/", "app"), Location("/a/", "app", cache=True)
    others = [(None, around), (None, inside)]
    assert places.inside_cached(inside, others)  # type: ignore[arg-type]
    assert not places.inside_cached(Location("/c/", "app"), others)  # type: ignore[arg-type]


def test_a_second_try_is_for_every_host_but_the_one_that_failed() -> None:
    backends = [Backend(f"10.0.0.{number}:443") for number in (1, 2, 3)]
    shop: Any = app()
    site = Site(shop, tuple(backends), balanced=True)
    assert places.without(site) == {
        "": backends,
        "r1": backends[1:],
        "r2": [backends[0], backends[2]],
        "r3": backends[:2],
    }
    assert places.pool_without(site, "r1") == "app-shop-without-r1"
    assert places.without(Site(shop, (backends[0],), balanced=True)) == {}, "no other host"
    assert places.without(Site(shop, tuple(backends))) == {}, "sockets of this host"
