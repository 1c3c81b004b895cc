"""prov image push: a registry gets what it lacks, tags last; a login is asked for, and refused ones are told."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cli_project import command_line
from imaged_apps import imaged_project

Prov = Callable[..., tuple[object, str, str]]
PASSWORD = "canary-90ab-pass"
SETTINGS = """
image:
  base: ../base.tar
  registry: {{repository: "{place}/team/shop", user: robot, password: {password}, tls: false}}
"""


class Store(ThreadingHTTPServer):
    """A registry in memory. way: how it wants its login.  asked: each request, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.place = f"127.0.0.1:{self.server_address[1]}"
        self.way = "basic"
        self.blobs: dict[str, bytes] = {}
        self.tags: dict[str, bytes] = {}
        self.asked: list[str] = []


class Asked(BaseHTTPRequestHandler):
    server: Store

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def let_in(self) -> bool:
        """Ask for a login, or for the token that it gives."""
        store, said = self.server, self.headers.get("Authorization", "")
        login = "Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
        if self.path.startswith("/token"):
            query = parse_qs(urlsplit(self.path).query)
            assert query["scope"] == ["repository:team/shop:pull,push"]
            if said == login:
                self.answer(200, b'{"token": "t0k"}')
            else:
                self.answer(401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "wrong"}]}')
            return False
        if said == (login if store.way == "basic" else "Bearer t0k"):
            return True
        realm = f'Bearer realm="http://{store.place}/token",service="store"'
        self.answer(401, WWW_Authenticate='Basic realm="store"' if store.way == "basic" else realm)
        return False

    def handle_all(self) -> None:
        store = self.server
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.let_in():
            return
        store.asked.append(f"{self.command} {parts.path}")
        kind, _, name = parts.path.removeprefix("/v2/team/shop/").partition("/")
        if kind == "blobs" and self.command == "HEAD":
            self.answer(200 if name in store.blobs else 404)
        elif kind == "blobs" and self.command == "POST":
            self.answer(202, Location="/v2/team/shop/blobs/uploads/1?state=x")
        elif kind == "blobs" and self.command == "PUT":
            query = parse_qs(parts.query)
            assert query["state"] == ["x"]
            (digest,) = query["digest"]
            right = digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
            if right:
                store.blobs[digest] = body
            self.answer(
                201 if right else 400, b'{"errors": [{"code": "DIGEST_INVALID", "message": "other"}]}'
            )
        elif self.command == "PUT":
            manifest = json.loads(body)
            assert {each["digest"] for each in [manifest["config"], *manifest["layers"]]} <= set(store.blobs)
            store.tags[name] = body
            self.answer(201)
        elif name in store.tags:
            digest = hashlib.sha256(store.tags[name]).hexdigest()
            self.answer(200, Docker_Content_Digest=f"sha256:{digest}")
        else:
            self.answer(404)

    do_HEAD = do_GET = do_POST = do_PUT = handle_all

    def log_message(self, format: str, *words: object) -> None:
        pass


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture
def prov(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Prov:
    """Runs the command line in a project whose application has a registry."""
    settings = SETTINGS.format(place=store.place, password=PASSWORD)
    imaged_project(tmp_path, monkeypatch, settings, {})
    return command_line(monkeypatch, capsys)


@pytest.mark.parametrize("way", ["basic", "bearer"])
def test_a_registry_gets_what_it_lacks_and_tags_last(prov: Prov, store: Store, way: str) -> None:
    store.way = way
    built = json.loads(prov("image", "build", "web1", "--json")[1])
    status, out, err = prov("image", "push", "web1", "--tag", "latest", "--json")
    assert status == 0, err
    event = json.loads(out.splitlines()[0])
    assert event["digest"] == built["digest"]
    assert event["sent"] == sum(map(len, store.blobs.values()))
    assert list(store.tags) == event["tags"] == [event["release"], "latest"]
    assert PASSWORD not in out + err
    # the same again: two questions, and nothing sent
    store.asked.clear()
    assert (
        json.loads(prov("image", "push", "web1", "--tag", "latest", "--json")[1].splitlines()[0])["sent"] == 0
    )
    assert [each.split()[0] for each in store.asked] == ["HEAD", "HEAD"]
    # another release: its source and its configuration
    Path("shop/shop.py").write_text("app = repr\n")
    before = set(store.blobs)
    assert prov("image", "push", "web1")[0] == 0
    assert len(set(store.blobs) - before) == 2


@pytest.mark.parametrize("way", ["basic", "bearer"])
def test_a_login_that_is_refused_is_told_and_sends_nothing(prov: Prov, store: Store, way: str) -> None:
    store.way = way
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace(PASSWORD, "another-one"))
    status, out, err = prov("image", "push", "web1")
    assert (status, out) == (1, "")
    assert f"{store.place} refused the login of robot for team/shop (401)" in err
    assert "another-one" not in err
    assert store.blobs == {}


def test_a_layer_that_is_damaged_on_its_way_sets_no_tag(prov: Prov, store: Store) -> None:
    data = Path("base.tar").read_bytes()
    assert prov("image", "build", "web1")[0] == 0
    Path("base.tar").write_bytes(data.replace(b"Debian GLIBC", b"debian GLIBC"))
    status, _, err = prov("image", "push", "web1")
    assert status == 1
    assert "answered 400 for team/shop (PUT): DIGEST_INVALID other" in err
    assert store.tags == {}


def test_what_can_not_be_reached_is_told(prov: Prov, store: Store) -> None:
    file = Path("inventory/hosts.yml")
    text = file.read_text()
    file.write_text(text.replace(store.place, "127.0.0.1:1"))
    status, _, err = prov("image", "push", "web1")
    assert (status, "127.0.0.1:1 could not be reached: " in err) == (1, True), err
    file.write_text(text.replace("tls: false", "tls: true"))
    status, _, err = prov("image", "push", "web1")
    assert (status, "can't be reached by https" in err) == (1, True), err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("/team/shop", "", "a repository with its registry"),
        ("user: robot, ", "", "a login is both `user` and `password`"),
    ],
)
def test_settings_that_make_no_sense(prov: Prov, old: str, new: str, said: str) -> None:
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace(old, new))
    status, _, err = prov("image", "push", "web1")
    assert (status, said in err) == (2, True), err


def test_no_registry_and_no_tag(prov: Prov) -> None:
    assert prov("image", "push", "web1", "--tag", "a:b")[0] == 2
    file = Path("inventory/hosts.yml")
    lines = [line for line in file.read_text().splitlines() if "registry:" not in line]
    file.write_text("\n".join(lines) + "\n")
    status, _, err = prov("image", "push", "web1")
    assert (status, "shop has no registry to push its image to" in err) == (2, True), err
