"""Places of a site: which part of an application's URLs is served how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from provision.apps.application import Application
from provision.serving.sites import Backend, Site, grouped
from provision.sources.manifests import Manifests
from provision.steps.tree import Entry
from provision.system.source import Source


class FewFiles(Manifests):
    """Sources with the files that each has to have."""

    def of(self, source: Path | str, ref: str | None, max_size: int) -> list[Entry]:
        names = ("requirements.txt", "static/a.css", "s/a.css")
        return [(name, 0o644, Source.of(""), "") for name in names]


def site(**settings: Any) -> Site:
    common = {"name": "shop", "source": Path("/src"), "target": "shop:app", "domains": ("shop.example",)}
    app = Application(**{**common, **settings}).read_by(FewFiles())
    return Site(app, (Backend("/run/shop.sock"),))


def places(found: Site) -> dict[str, str]:
    """path: kind and what holds, as words."""
    names = ("auth", "cache", "limit", "stream")
    return {
        place.path: " ".join([place.kind, *(n for n in names if getattr(place, n))])
        for place in found.locations
    }


def test_an_application_without_more_is_one_place() -> None:
    assert places(site()) == {"/": "app"}


def test_what_holds_for_a_place_holds_below_it() -> None:
    found = site(
        auth={"by": "basic", "users": {"ann": "x"}, "paths": ["/admin", "/static/inner/"]},
        cache={"paths": ["/"]},
        rate_limit={"rate": "1/s", "paths": ["/admin/login/"]},
        streams=["/events"],
        static={"/static/": "static"},
    )
    assert places(found) == {
        "/": "app cache",
        "/admin": "app auth cache",
        "/admin/": "app auth cache",
        "/admin/login/": "app auth cache limit",
        "/events": "app cache stream",
        "/events/": "app cache stream",
        "/static/": "static",
        "/static/inner": "static auth",
        "/static/inner/": "static auth",
    }
    inner = next(place for place in found.locations if place.path == "/static/inner/")
    assert inner.files == f"{found.release.root}/static/inner/"


def test_a_longer_name_is_another_place() -> None:
    found = site(auth={"by": "basic", "users": {"a": "b"}, "paths": ["/admin"]}, streams=["/administrator"])
    assert places(found)["/administrator"] == "app stream"


def test_places_are_below_the_applications_own() -> None:
    found = site(path="/shop/", static={"/static/": "s"}, media={"/static/up/": "uploads"})
    assert places(found) == {"/shop/": "app", "/shop/static/": "static", "/shop/static/up/": "media"}
    assert found.locations[-1].files == "/var/lib/app-shop/uploads/"


def test_sites_share_a_virtual_host_by_their_domains() -> None:
    first, second = site(), site(name="blog", path="/blog/")
    other = site(name="news", domains=("news.example",))
    hosts = grouped([first, second, other])
    assert [[s.app.name for s in host.sites] for host in hosts] == [["blog", "shop"], ["news"]]
    assert [host.name for host in hosts] == ["blog", "news"]
