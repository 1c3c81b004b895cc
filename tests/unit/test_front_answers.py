"""What applications may ask of their fronts: names of files that never change, other names, networks, headers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from provision.apps.app_model import App
from provision.apps.application import Application
from provision.errors import StepError
from provision.inventory.fields import domain, encoded, url_path
from provision.serving.front_answers import HASHED, hidden, sent
from provision.serving.locations import Location
from provision.serving.sites import Backend, Site
from provision.sources.manifests import Manifests
from provision.steps.configuration import Configuration
from provision.steps.tree import Entry
from provision.system.source import Source

COMMON: dict[str, Any] = {
    "name": "shop",
    "source": Path("/src"),
    "target": "a:b",
    "domains": ("shop.example",),
}


class Files(Manifests):
    def of(self, source: Path | str, ref: str | None, max_size: int) -> list[Entry]:
        names = ("requirements.txt", "dist/index.html", "static/icon.ico", "static/a.css", "s/a.css")
        return [(name, 0o644, Source.of(""), "") for name in names]


def places(**settings: Any) -> dict[str, Location]:
    app = Application(**{**COMMON, **settings}).read_by(Files())
    return {place.path: place for place in Site(app, (Backend("/run/shop.sock"),)).locations}


BUNDLED = """/assets/index-DiwrgTda.js /assets/index-4sK3E3Wk.css /index-B8yvqbWZ.js /app-5AFTVB7S.js /main.4f2a9c1b.js
    /static/js/main.4f2a9c1b.chunk.js /static/css/base.0123456789ab.css /static/index-B1z_x-3K.js /_nuxt/B1z_x3K9.js
    /4f2a9c1b3d5e6f708192.js /chunk-ABCDEFGH.js /a/app.1a2b3c4d5e6f7a8b9c0d.js.map /assets/logo-BxYcDeFg.svg
    /src.a1b2c3d4.woff2 /polyfills-FFHMD2TL.js /shop/assets/deep/er/index-DiwrgTda.js"""
WORDS = """/jquery-validate.js /bootstrap-datepicker.js /site-overview.js /font-awesome5.css /report-20240101.js
    /jquery-3.7.1.min.js /react-DataGrid.js /index.html /style.css /x.facade.js /assets/jquery-validate.js
    /utf8-decoders.js /bootstrap.bundle.min.js /a/4f2a9c1b/app.js /main.4f2a9c1b.js/more"""


@pytest.mark.parametrize("path", BUNDLED.split())
def test_names_with_a_hash_never_change(path: str) -> None:
    assert re.search(HASHED, path)


@pytest.mark.parametrize("path", WORDS.split())
def test_words_are_no_hashes(path: str) -> None:
    assert not re.search(HASHED, path)


def test_a_site_has_all_but_what_the_application_answers() -> None:
    found = places(
        static={"/": "dist", "/icon.ico": "static/icon.ico", "/api/static/": "static"},
        routes=["/api/", "/ws"],
        streams=["/events"],
        keep_releases=3,
    )
    assert {path: place.kind for path, place in found.items()} == {
        **dict.fromkeys(["/", "/icon.ico", "/api/static/"], "static"),
        **dict.fromkeys(["/api/", "/ws", "/ws/", "/events", "/events/"], "app"),
    }
    root = found["/"]
    release = root.files.removesuffix("dist/")
    assert (root.index, root.before) == (
        f"{release}dist/index.html",
        ("/srv/shop/before/1/dist/", "/srv/shop/before/2/dist/"),
    )
    assert found["/icon.ico"].files == f"{release}static/icon.ico"
    assert (found["/icon.ico"].before, found["/api/static/"].index) == ((), "")


def test_a_protected_part_of_a_site_has_its_page_too() -> None:
    found = places(static={"/": "dist"}, auth={"by": "basic", "users": {"a": "b"}, "paths": ["/account/"]})
    assert found["/account/"].auth and found["/account/"].index == found["/"].index != ""
    assert found["/account/"].files.endswith("/dist/account/")


def test_all_that_is_denied_holds_and_the_longest_of_what_is_allowed() -> None:
    found = places(
        deny={"/": ["192.0.2.1"], "/a/": ["192.0.2.2"]},
        allow={"/": ["10.0.0.0/8"], "/a/b": ["::/0"]},
    )
    assert found["/a/b/"].deny == ("192.0.2.1", "192.0.2.2")
    assert (found["/a/"].allow, found["/a/b"].allow, found["/a/b/"].allow) == (
        ("10.0.0.0/8",),
        ("::/0",),
        ("::/0",),
    )
    assert places(allow=["10.0.0.0/8"])["/"].allow == ("10.0.0.0/8",)


def test_headers_of_the_inventory_come_before_those_of_the_front() -> None:
    app = App(**COMMON, headers={"strict-transport-security": None, "X-A": "b"})
    assert sent(app, 5) == {"X-A": "b"}
    assert hidden(app, 5) == ["X-A", "strict-transport-security"]
    assert sent(App(**COMMON), 5) == {"Strict-Transport-Security": "max-age=5"}
    assert sent(App(**COMMON, tls="none"), 5) == sent(App(**COMMON, tls="none"), 5, http3=True) == {}
    assert sent(App(**COMMON), 0, http3=True) == {"Alt-Svc": 'h3=":443"; ma=86400'}
    assert sent(App(**COMMON, headers={"alt-svc": None}), 0, http3=True) == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"redirects": ["shop.example"]}, "listed twice, or one of `domains`"),
        ({"redirects": ["a.test", "a.test"]}, "listed twice"),
        ({"domains": ["*.shop.example"], "redirects": ["a.test"]}, "is not one name"),
        ({"routes": ["/api/"]}, "without it, the application has all"),
        ({"health_by_any_name": True}, "needs a `health` of its own"),
        (
            {
                "health_by_any_name": True,
                "health": "/in/ok",
                "auth": {"by": "basic", "users": {"a": "b"}, "paths": ["/in"]},
            },
            "`auth` protects the health path",
        ),
        ({"headers": {"Content-Length": "1"}}, "differs from answer to answer"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "is there twice"),
        ({"headers": {"X-A": "1\nX-B: 2"}}, "one line of text"),
        ({"allow": []}, "at least 1"),
        ({"allow": ["office"]}, "is not an address"),
        ({"max_body": "00"}, "or 0"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        App(**{**COMMON, **settings})


def test_names_of_any_language_are_as_dns_has_them() -> None:
    assert domain("B\u00fccher.example") == "xn--bcher-kva.example"
    assert domain("*.\u043f\u0440\u0438\u043c\u0435\u0440.example") == "*.xn--e1afmkfd.example"
    assert App(**{**COMMON, "domains": ["b\u00fccher.example"]}).names == ("xn--bcher-kva.example",)
    for name in ("stra\u00dfe.example", "a..\u00fc", "\u00fc" * 70):
        with pytest.raises(ValueError, match=r"two ways|not a host name"):
            domain(name)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            'nginx: [emerg] unknown directive "x" in /etc/front/prov-snippets/shop-1.conf:3',
            "/inv/own.conf:3: ",
        ),
        ("AH00526: Syntax error on line 12 of /etc/front/prov-snippets/shop-1.conf:", "/inv/own.conf:12: "),
        ("broken in /etc/front/sites-enabled/shop.conf:3", ""),
    ],
)
def test_what_is_wrong_in_a_snippet_is_told_with_its_own_file(said: str, line: str) -> None:
    path = "prov-snippets/shop-1.conf"
    step = Configuration("/etc/front", {path: "x"}, ["true"], origins={path: "/inv/own.conf"})
    step.validate()
    error = StepError("true judges /etc/front", stderr=said)
    step._name_origin(error)
    assert error.message == f"{line}true judges /etc/front"
    assert path not in error.stderr


@pytest.mark.parametrize(
    ("written", "read", "asked"),
    [
        ("/admin/", "/admin/", "/admin/"),
        ("/caf\u00e9", "/caf\u00e9", "/caf%C3%A9"),
        ("/caf%C3%A9", "/caf\u00e9", "/caf%C3%A9"),
        ("/a b/", "/a b/", "/a%20b/"),
        ("/100%25/", "/100%/", "/100%25/"),
        ("/%3F[*]/", "/?[*]/", "/%3F%5B*%5D/"),
        ('/"$x"/', '/"$x"/', "/%22$x%22/"),
    ],
)
def test_paths_are_read_as_they_are_decoded(written: str, read: str, asked: str) -> None:
    assert (url_path(written), encoded(url_path(written))) == (read, asked)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "//",
        "/a//b",
        "/../a",
        "/%2e%2e/a",
        "/a/./b",
        "/a?b",
        "/a#b",
        "/%",
        "/%zz",
        "/%ff",
        "/%0a",
        "/a%2Fb",
    ],
)
def test_paths_that_are_read_in_two_ways_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"is not a path|has a character|is not UTF-8"):
        url_path(path)
