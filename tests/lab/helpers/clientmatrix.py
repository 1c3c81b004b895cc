"""Hostile requests against every server behind every front, and what holds whatever the answer is."""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from helpers.hostile import Reply, ask, ask2, plain
from helpers.projects import Project
from helpers.web import Site
from provision.declared.role_folders import BUILTIN
from provision.declared.serving_roles import servers
from provision.serving.client_headers import PROXY_HEADERS
from provision.values import dataclass

ECHO = Path(__file__).parents[1] / "apps/echo"
#: application: interface and server; the first interface of a server goes without saying
SERVERS: dict[str, tuple[str, str]] = {
    (name if interface == server.serves[0] else f"{name}-{interface}"): (interface, server.name)
    for server in servers([BUILTIN])
    for name in [server.name.replace("_", "-")]
    for interface in server.serves
    # an image needs a base: test_containers.py
    if server.name != "container"
}
#: what nothing that an application sees may have in it
EVIL = ("6.6.6.6", "evil.example", "forged")
#: what only those with a password, or no one, may read
KEPT = ("closed file", "An application that says", "root:x:0", "PROV_INTERFACE")


@dataclass(frozen=True)
class Request:
    """One hostile request. data: what is said over HTTP/1.1; {host} in it is the domain.

    fields: header fields of HTTP/2 instead.  path: what the application must see, if it is asked at all.
    patience: seconds to wait for more on a connection that stays open.
    """

    name: str
    data: bytes = b""
    fields: tuple[tuple[str, str], ...] = ()
    path: str = ""
    patience: float = 2

    def __str__(self) -> str:
        return self.name

    def send(self, site: Site) -> list[Reply]:
        """Ask, and return every answer."""
        if self.fields:
            return [ask2(site, [(name, value.replace("{host}", site.domain)) for name, value in self.fields])]
        return ask(site, self.data.replace(b"{host}", site.domain.encode()), self.patience)


def settings(app: str, front: str) -> dict[str, Any]:
    """The inventory's settings of the application that echoes, for one of the servers."""
    interface, server = SERVERS[app]
    return {
        "source": "../echo",
        "target": f"echo:{interface}",
        "interface": interface,
        "server": server,
        "front": front,
        "domains": [f"{app}.test"],
        "workers": 1,
        "static": {"/static/": "static"},
        "media": {"/media/": "media"},
        "auth": {"by": "basic", "users": {"ann": "open sesame"}, "paths": ["/closed/", "/static/closed/"]},
        "cache": {"seconds": 300, "paths": ["/cached/"]},
    }


def put_echo(project: Project) -> None:
    """Put the application into a project."""
    shutil.copytree(ECHO, project.folder / "echo", ignore=shutil.ignore_patterns("__pycache__"))


def judge(site: Site, replies: list[Reply], own: str, path: str = "") -> None:
    """What holds for every answer. own: this machine's address, as the host sees it. path: what was asked for."""
    for reply in replies:
        assert reply.status != 101, "a tunnel past the front"
        text = reply.body.decode("latin-1")
        assert not any(word in text for word in KEPT), text
        seen = reply.seen
        if seen is None:
            continue
        assert (seen["client"], seen["scheme"], seen["prefix"], seen["user"]) == (own, "https", "", None), (
            seen
        )
        assert re.fullmatch(re.escape(site.domain) + r"(:\d{1,5})?", seen["host"]), seen
        # a path says what was asked for, whatever that is
        assert not any(word in repr({**seen, "path": ""}) for word in EVIL), seen
        assert not protected(seen["path"]), seen
        assert path in ("", seen["path"]), seen


def protected(path: str) -> bool:
    """Whether a router that looks at beginnings, merges slashes or resolves dots would take it for /closed/."""
    merged = re.sub("/+", "/", path)
    return any(p.startswith("/closed/") for p in (path, merged, posixpath.normpath(merged) + "/"))


def underscored() -> Iterator[Request]:
    """Headers whose names servers take for others."""
    names = "SCRIPT_NAME PATH_INFO X_Forwarded_For X-Forwarded_For X_Forwarded-For X_FORWARDED_HOST X_Real_IP"
    names += " REMOTE_USER REMOTE_ADDR HTTP_HOST HTTP_X_FORWARDED_FOR SERVER_NAME Remote_User X_Script_Name"
    for name in names.split():
        yield Request(name, plain("/p/closed/x", "{host}", [(name, "forged")]), path="/p/closed/x")
    yield Request(
        "SCRIPT_NAME-prefix", plain("/p/closed/x", "{host}", [("SCRIPT_NAME", "/p")]), path="/p/closed/x"
    )
    yield Request("PATH_INFO-closed", plain("/x", "{host}", [("PATH_INFO", "/closed/x")]), path="/x")
    for scheme in ("X_Forwarded_Proto", "X-Forwarded_Proto", "wsgi_url_scheme", "HTTPS"):
        yield Request(scheme, plain("/x", "{host}", [(scheme, "http")]), path="/x")
    yield Request("Content_Length", plain("/x", "{host}", [("Content_Length", "5")], "POST", ""), path="/x")
    yield Request("Transfer_Encoding", plain("/x", "{host}", [("Transfer_Encoding", "chunked")]), path="/x")
    fields = (*h2("/p/closed/x"), ("script_name", "/p"), ("x_forwarded_for", "6.6.6.6"))
    yield Request("h2-underscored", fields=fields, path="/p/closed/x")


def dashed() -> Iterator[Request]:
    """Headers by which frameworks learn about proxies."""
    yield Request("all", plain("/x", "{host}", [(name, "forged") for name in PROXY_HEADERS]), path="/x")
    own = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("x-forwarded-for", "6.6.6.6, 6.6.6.6"),
        ("X-Forwarded-Proto", "http"),
    ]
    yield Request("our-own", plain("/x", "{host}", own), path="/x")
    yield Request("script-name", plain("/p/closed/x", "{host}", [("Script-Name", "/p")]), path="/p/closed/x")
    yield Request("method", plain("/x", "{host}", [("X-HTTP-Method-Override", "forged")]), path="/x")
    many = [("X-Forwarded-For", "6.6.6.6")] * 40
    yield Request("many", plain("/x", "{host}", many))
    yield Request(
        "hop-by-hop",
        plain("/x", "{host}", [("Connection", "close, X-Forwarded-For, X-Forwarded-Proto, Host")]),
    )
    for size in (6_000, 60_000):
        yield Request(
            f"long-{size}", plain("/x", "{host}", [("X-Long", "x" * size), ("X_Forwarded_For", "6.6.6.6")])
        )
    fields = (
        *h2("/x"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil.example"),
        ("remote-user", "forged"),
    )
    yield Request("h2-all", fields=fields, path="/x")


def targets() -> Iterator[Request]:
    """Paths that a front and an application may read in two ways."""
    closed = """/closed/x //closed/x /closed//x /./closed/x /%63losed/x /closed%2fx /closed%2Fx /closed/%2e%2e/closed/x
        /open/../closed/x /open/%2e%2e/closed/x /open/..%2fclosed/x /open%2f..%2fclosed/x /closed/../open
        /closed/x/../../open /closed/%2e%2e/open /closed/.%2e/open /closed/%2E./open /closed/..%2fopen
        /closed/%2e%2e%2fopen /closed%2f..%2fopen /closed/x/..\\..\\open /closed/..%5copen /closed%5cx /closed\\x
        /closed/..;/open /closed;a=b/x /closed/x%00 /closed%00/x /closed/x#/../../open /closed/x?/../../open /closed
        /closed/. /closed/.. /closed/x/.. /..//closed/x //x/..//closed/x /closed%252fx /%252e%252e/closed/x
        /x%0d%0aX-Forwarded-For:%206.6.6.6 /closed%20/x /closed%09/x /CLOSED/x"""
    for path in closed.split():
        yield Request(path, plain(path, "{host}"))
        yield Request(f"h2 {path}", fields=h2(path))
    files = """/static/../echo.py /static../echo.py /static/..%2fecho.py /static/%2e%2e/echo.py
        /static%2f../echo.py /static//../..//echo.py /static/..\\echo.py /static/..%5cecho.py
        /static/x/../../echo.py /static/closed/secret.txt /static//closed/secret.txt /static/./closed/secret.txt
        /static/closed%2fsecret.txt /static/%63losed/secret.txt /static/x/../closed/secret.txt
        /static/closed/../closed/secret.txt /static/closed;a/secret.txt /static/open.txt/../closed/secret.txt
        /media../../../etc/passwd /media/..%2f..%2f..%2fetc/passwd /media/%2e%2e/%2e%2e/%2e%2e/etc/passwd
        /media/../.prov/behind_front.py /static/../.prov/behind_front.py /static/closed /static/%00
        /.prov-errors/x/404.html //static/../echo.py"""
    for path in files.split():
        yield Request(path, plain(path, "{host}"))


def hosts() -> Iterator[Request]:
    """Names in several places that contradict each other."""
    evil = "evil.example"
    yield Request("absolute", plain("https://{host}/x", evil), path="/x")
    yield Request("absolute-other", plain(f"https://{evil}/x", "{host}"))
    yield Request("absolute-http", plain("http://{host}/x", "{host}"), path="/x")
    yield Request("absolute-port", plain("https://{host}:6666/x", "{host}:443"), path="/x")
    yield Request("absolute-user", plain(f"https://{evil}@{{host}}/x", "{host}"))
    yield Request("absolute-closed", plain("https://{host}/closed/x", "{host}"))
    yield Request("cached-absolute", plain("https://{host}/cached/absolute", evil), path="/cached/absolute")
    yield Request("cached-port", plain("/cached/port", "{host}:6666"), path="/cached/port")
    yield Request("cached-forwarded", plain("/cached/forwarded", "{host}", [("X-Forwarded-Host", evil)]))
    yield Request("cached-method", plain("/cached/method", "{host}", [("X-HTTP-Method-Override", "HEAD")]))
    for one, other in ((evil, "{host}"), ("{host}", evil), ("{host}", "{host}")):
        yield Request(f"two {one} {other}", plain("/x", one, [("Host", other)]))
    for host in (
        "{host}.",
        "{host}:443",
        "{host}:80@evil.example",
        "evil.example:{host}",
        "{host}, evil.example",
    ):
        yield Request(f"host {host}", plain("/x", host))
    for host in (
        "{host}:99999",
        "{host}:evil.example",
        "{host}:",
        "{host}/evil.example",
        "{host}#evil.example",
        "",
    ):
        yield Request(f"host {host}", plain("/x", host))
    yield Request("no-host", b"GET /x HTTP/1.0\r\n\r\n")
    yield Request("h2-host", fields=(*h2("/x"), ("host", evil)))
    yield Request("h2-host-only", fields=(*h2("/x")[:3], ("host", "{host}")))
    yield Request("h2-authority", fields=h2("/x", authority=evil))
    yield Request("h2-authority-host", fields=(*h2("/x", authority=evil), ("host", "{host}")))
    yield Request("h2-scheme", fields=h2("/x", scheme="http"), path="/x")
    yield Request("h2-absolute", fields=h2(f"https://{evil}/x"))
    yield Request("h2-user", fields=h2("/x", authority=f"{evil}@{{host}}"))


def smuggled() -> Iterator[Request]:
    """One request in another one: what is inside must not be answered, nor meet the next client's."""
    inner = "GET /closed/smuggled HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
    zero = f"0\r\n\r\n{inner}"
    both = [("Content-Length", str(len(zero))), ("Transfer-Encoding", "chunked")]
    yield Request("both", plain("/x", "{host}", both, "POST", zero))
    yield Request("both-turned", plain("/x", "{host}", both[::-1], "POST", zero))
    for coding in (
        "xchunked",
        "chunked, identity",
        "identity, chunked",
        "\tchunked",
        "\x0bchunked",
        '"chunked"',
        "",
    ):
        headers = [("Content-Length", "4"), ("Transfer-Encoding", coding)]
        yield Request(
            f"coding {coding!r}", plain("/x", "{host}", headers, "POST", f"5c\r\n{inner}\r\n0\r\n\r\n")
        )
    yield Request("space", plain("/x", "{host}", [both[0], ("Transfer-Encoding ", "chunked")], "POST", zero))
    yield Request(
        "folded", plain("/x", "{host}", [both[0], ("X-A", "b\r\n Transfer-Encoding: chunked")], "POST", zero)
    )
    for lengths in (("4", "40"), ("+4",), ("4, 4",), ("0x4",), ("-1",), ("4 4",), ("4\x00",), ("٤",)):
        headers = [("Content-Length", n.encode().decode("latin-1")) for n in lengths]
        yield Request(f"length {lengths}", plain("/x", "{host}", headers, "POST", f"abcd{inner}"))
    yield Request("get", plain("/x", "{host}", [("Content-Length", "4")], "GET", f"abcd{inner}"))
    bare = plain(
        "/x", "{host}", [("X-A", "b\nX-Forwarded-For: 6.6.6.6\nContent-Length: 4")], "POST", f"abcd{inner}"
    )
    yield Request("bare-newlines", bare)
    carriage = plain("/x", "{host}", [("X-A", "b\rX-Forwarded-For: 6.6.6.6")])
    yield Request("bare-returns", carriage)
    yield Request("header-nul", plain("/x", "{host}", [("X-A", "b\x00X-Forwarded-For: 6.6.6.6")]))
    yield Request("version", b"GET /x HTTP/1.1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    line = "b\r\nX-Forwarded-For: 6.6.6.6"
    yield Request("h2-value", fields=(*h2("/x"), ("x-a", line)))
    yield Request("h2-name", fields=(*h2("/x"), (f"x-a: {line}\r\nx-b", "c")))
    yield Request("h2-path", fields=h2(f"/x HTTP/1.1\r\nX-Forwarded-For: 6.6.6.6\r\nX-A: {inner}"))
    yield Request("h2-path-blank", fields=h2("/x /closed/x"))
    yield Request("h2-method", fields=h2("/x", method="GET /closed/x HTTP/1.1\r\nX-A: b"))
    yield Request("h2-coding", fields=(*h2("/x", method="POST"), ("transfer-encoding", "chunked")))
    yield Request("h2-length", fields=(*h2("/x", method="POST"), ("content-length", "40")))


def tunnels() -> Iterator[Request]:
    """Other protocols than WebSocket, by which an application server would answer more than the front has seen."""
    for protocol in ("h2c", "H2C", "h2c, websocket", "websocket, h2c", "HTTP/2.0", "TLS/1.0", "forged/1"):
        for connection in ("Upgrade, HTTP2-Settings", "upgrade", "close, Upgrade"):
            headers = [("Upgrade", protocol), ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA")]
            lines = [f"{name}: {value}" for name, value in [*headers, ("Connection", connection)]]
            said = "\r\n".join(["GET /x HTTP/1.1", "Host: {host}", *lines, "", ""])
            patience = 2 if "close" in connection else 0.1
            yield Request(f"upgrade {protocol} {connection}", said.encode(), patience=patience)
    yield Request("prior-knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    yield Request("connect", plain("{host}:443", "{host}", method="CONNECT"))
    yield Request("trace", plain("/x", "{host}", [("X-A", "forged")], method="TRACE"))


def h2(
    path: str, authority: str = "{host}", scheme: str = "https", method: str = "GET"
) -> tuple[tuple[str, str], ...]:
    """Pseudo-headers of a request."""
    return ((":method", method), (":scheme", scheme), (":path", path), (":authority", authority))


def attack(site: Site, own: str) -> int:
    """Send them all to a site; after each, an honest client gets its own answer. Returns how many were sent."""
    sent = [
        request for kind in (underscored, dashed, targets, hosts, smuggled, tunnels) for request in kind()
    ]
    for number, request in enumerate(sent):
        try:
            judge(site, request.send(site), own, request.path)
            if number % 8 == 0 or "Content-Length" in request.data.decode("latin-1"):
                plainly = ask(site, plain(f"/honest/{number}", site.domain))
                assert [r.status for r in plainly] == [200]
                judge(site, plainly, own, f"/honest/{number}")
        except AssertionError as error:
            raise AssertionError(f"{site.domain}, {request}: {error}") from None
    for path in ("absolute", "port", "forwarded", "method"):
        (honest,) = ask(site, plain(f"/cached/{path}", site.domain))
        assert honest.seen is not None, path
        assert (honest.seen["host"], honest.seen["method"]) == (site.domain, "GET"), honest.seen
        assert unquote(honest.seen["path"]) == f"/cached/{path}"
    return len(sent)
