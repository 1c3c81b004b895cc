"""What the inventory asks of fronts, asked from outside: both do the same."""

from __future__ import annotations

import shutil
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.checks import own_address
from helpers.cli import prov
from helpers.deployed_fronts import Front, deployed
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project
from websockets.sync.client import connect

pytestmark = pytest.mark.lab

#: by front: its host
HOSTS = {"nginx": ("t-sn", "debian-13"), "apache": ("t-sa", "debian-12")}
#: by front: a snippet of the user's own, and what it has one path answer
SNIPPETS = {
    "nginx": ("location = /api/snippet {\n    return 204;\n}\n", 204),
    "apache": ('<Location "/api/snippet">\n    Require all denied\n</Location>\n', 403),
}


def settings(front: str, own: str) -> dict[str, dict[str, Any]]:
    """The applications. own: this machine's address, as the host sees it."""
    common = {"source": "../site", "target": "shop:app", "interface": "asgi", "front": front, "workers": 1}
    shop = {
        "domains": ["shop.test"],
        "redirects": ["www.shop.test", "b\u00fccher.test"],
        "static": {"/": "pages", "/favicon.ico": "static/favicon.ico"},
        "routes": ["/api/", "/ws", "/healthz"],
        "health": "/healthz",
        "health_by_any_name": True,
        "headers": {"X-Frame-Options": "DENY", "X-Powered-By": None, "X-Odd": 'a "$b" %{c} \\d'},
        "deny": {"/api/denied/": [own], "/denied": [own]},
        "allow": {"/api/office/": ["192.0.2.0/24", "2001:db8::/32"], "/api/office/open/": [own]},
        "snippets": ["../own.conf"],
        "max_body": "0",
        "timeout": 1,
        "auth": {"by": "basic", "users": {"ann": "open sesame"}, "paths": ["/closed.html", "/api/closed/"]},
    }
    other = {
        "domains": ["other.test"],
        "default": True,
        "tls": "none",
        "max_body": "1k",
        "static": {"/made/": "made"},
        # a link out of the release: the build does not see it
        "writable": ["data/kept"],
        "build": {
            "command": ["sh", "-c", "mkdir made; id -u > made/who.txt; ! touch /srv/x"],
            "here": False,
        },
    }
    odd = {
        "domains": ["odd.test"],
        "path": "/\u00e4n b*/",
        "health": "/gesund heit",
        "static": {"/a b/": "static"},
        "auth": {"by": "basic", "users": {"ann": "open sesame"}, "paths": ["/zu[1]/"]},
    }
    return {"shop": {**common, **shop}, "other": {**common, **other}, "odd": {**common, **odd}}


@pytest.fixture(scope="module", params=HOSTS)
def front(
    request: pytest.FixtureRequest, lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory
) -> Front:
    name: str = request.param
    host, image = HOSTS[name]
    found = lab_hosts.one(host, Kind(image))
    project = Project(tmp_path_factory.mktemp(name))
    shutil.copytree(Path(__file__).parent / "apps/site", project.folder / "site")
    (project.folder / "own.conf").write_text(SNIPPETS[name][0])
    apps = settings(name, own_address(found.address))
    return deployed(found, project, "shop.test", apps, ["python", "app"])


def test_the_deploy_is_as_planned_and_the_second_one_changes_nothing(front: Front) -> None:
    assert front.first.not_in(front.name, "ok", "changed") == []
    assert front.planned.changes(front.name) == front.first.changes(front.name)
    assert front.second.not_in(front.name, "ok") == []


def test_a_sites_page_answers_unknown_paths_and_the_application_its_own(front: Front) -> None:
    site = front.site()
    for path in ("/", "/orders/5", "/john.doe", "/apis"):
        page = site.get(path)
        assert (page.status, page.title, page.headers["Cache-Control"]) == (200, "first", "no-cache"), path
    assert site.get("/assets/gone.js").status == 404
    assert site.get("/api/x").json()["path"] == "/api/x"
    assert site.get("/healthz").json()["path"] == "/healthz"
    icon = site.get("/favicon.ico")
    assert (icon.status, icon.body) == (200, b"icon\n")
    hashed, plain = site.get("/assets/index-DiwrgTda.js"), site.get("/plain.js")
    assert "immutable" in hashed.headers["Cache-Control"]
    assert "Cache-Control" not in plain.headers


def test_other_names_lead_to_the_first_one_with_certificates_of_their_own(front: Front) -> None:
    for name in ("www.shop.test", "xn--bcher-kva.test"):
        for tls in (True, False):
            answer = front.site(name).get("/a%20b?c=d", tls=tls)
            assert (answer.status, answer.headers["Location"]) == (308, "https://shop.test/a%20b?c=d")


def test_headers_are_those_of_the_inventory(front: Front) -> None:
    for path in ("/", "/api/x", "/plain.js", "/assets/gone.js", "/api/office/x"):
        headers = front.site().get(path).headers
        assert (headers["X-Frame-Options"], headers["X-Odd"]) == ("DENY", 'a "$b" %{c} \\d'), path
        assert "x-powered-by" not in map(str.lower, headers), path
    assert front.site("other.test").get("/", tls=False).headers["x-powered-by"] == "shop"


def test_networks_may_come_or_not(front: Front) -> None:
    paths = {
        "/api/denied/x": 403,
        "/denied": 403,
        "/denied/x": 403,
        "/api/office/x": 403,
        "/api/office/open/x": 200,
    }
    assert {path: front.site().get(path).status for path in paths} == paths
    # whatever a client says of its address, and also if it asks for a WebSocket
    said = {"X-Forwarded-For": "192.0.2.1", "Upgrade": "websocket", "Connection": "Upgrade"}
    assert front.site().get("/api/office/x", headers=said).status == 403
    assert front.site().get("/api/closed/x", headers=said).status == 401
    assert front.site().get("/closed.html", headers=said).status == 401
    assert front.site().get("/closed.html", login="ann:open sesame").body == b"closed page\n"


def test_assets_are_built_on_the_host_by_no_one_it_knows(front: Front) -> None:
    made = front.site("other.test").get("/made/who.txt", tls=False)
    assert made.status == 200
    assert int(made.text) > 60000
    assert on(front.name, "stat", "-c", "%U", "/srv/other/current/made/who.txt").strip() == "root"


def test_unknown_names_have_an_application(front: Front) -> None:
    for name in ("stranger.test", front.host.address, "other.test"):
        assert front.site(name).get("/x", tls=False).json()["host"] == name
    with pytest.raises((OSError, ssl.SSLError)):
        front.site("stranger.test").get()


def test_health_answers_by_any_name_without_a_redirect(front: Front) -> None:
    for name in ("stranger.test", front.host.address, "shop.test", "www.shop.test"):
        seen = front.site(name).get("/healthz", tls=False)
        assert seen.json() == {"path": "/healthz", "host": "shop.test", "scheme": "https", "received": 0}
        assert seen.headers["X-Frame-Options"] == "DENY"
        assert front.site(name).get("/healthz", tls=False, body=b"x").status in (403, 405)
    # nothing else comes that way
    assert front.site().get("/healthz/../api/x", tls=False).status in (308, 400)
    assert front.site().get("/healthz/x", tls=False).status == 308


def test_snippets_are_judged_with_the_rest(front: Front) -> None:
    text, status = SNIPPETS["nginx" if front.name == HOSTS["nginx"][0] else "apache"]
    assert front.site().get("/api/snippet").status == status
    file = front.project.folder / "own.conf"
    file.write_text(f"# mine\n\nnonsense here;\n{text}")
    failed = prov("deploy", front.name, cwd=front.project.folder, status=1)
    assert f"{file}:3" in failed.stdout
    file.write_text(text)
    assert front.site().get("/api/snippet").status == status


def test_prefixes_may_have_any_character(front: Front) -> None:
    site, base = front.site("odd.test"), "/%C3%A4n%20b%2A"
    assert site.get(f"{base}/x%20y").json()["path"] == "/\u00e4n b*/x y"
    assert site.get(f"{base}/a%20b/favicon.ico").body == b"icon\n"
    for path in ("/zu[1]/x", "/zu%5B1%5D/x", "/zu%5b1]/x", "/zu[1]"):
        assert site.get(base + path).status == 401, path
        assert site.get(base + path, headers={"Upgrade": "websocket", "Connection": "Upgrade"}).status == 401
    assert site.get(f"{base}/zu[1]/x", login="ann:open sesame").json()["path"] == "/\u00e4n b*/zu[1]/x"
    assert site.get("/elsewhere").status == 404


def test_large_headers_and_bodies_pass(front: Front) -> None:
    assert len(front.site().get("/api/large").headers["x-large"]) == 31000
    assert front.site().get("/api/x", body=b"x" * (12 << 20)).json()["received"] == 12 << 20
    assert front.site("other.test").get("/x", tls=False, body=b"x" * 2000).status == 413


def test_a_silent_websocket_stays(front: Front) -> None:
    with connect(
        "ws://shop.test/ws", sock=front.site().connected(20), close_timeout=5, ping_interval=None
    ) as client:
        client.send("one")
        assert client.recv(10) == "one"
        # longer than requests may take
        time.sleep(7)
        client.send("two")
        assert client.recv(10) == "two"


def test_files_of_the_release_before_stay(front: Front) -> None:
    dist = front.project.folder / "site/pages"
    (dist / "assets/index-DiwrgTda.js").rename(dist / "assets/index-B8yvqbWZ.js")
    (dist / "index.html").write_text("<title>second</title>")
    prov("deploy", front.name, cwd=front.project.folder)
    site = front.site()
    assert site.get("/").title == "second"
    for name in ("index-DiwrgTda.js", "index-B8yvqbWZ.js"):
        found = site.get(f"/assets/{name}")
        assert (found.status, found.body) == (200, b"first\n")
        assert "immutable" in found.headers["Cache-Control"]
        assert found.headers["X-Frame-Options"] == "DENY"
    assert prov("deploy", front.name, cwd=front.project.folder).not_in(front.name, "ok") == []
