"""Downloads and archives, from a web server on this machine."""

from __future__ import annotations

import hashlib
import http.server
import io
import socketserver
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from steps_bench import Bench, refuses

from provision.secrets import Secret
from provision.steps.fetch import Download, Unpack

DATA = b"contents\n" * 100_000


class Web:
    """A web server; files: by path. asked: paths, in order. fail: how many requests it first answers with 503."""

    def __init__(self) -> None:
        web = self
        self.files: dict[str, bytes] = {"/data": DATA}
        self.asked: list[str] = []
        self.fail = 0
        self.cut = 0
        self.headers: list[str | None] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                web.headers.append(self.headers.get("X-Token"))
                data = web.files.get(self.path)
                if web.fail > 0 or data is None:
                    self.send_error(503 if web.fail else 404)
                    web.fail -= 1
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2] if web.cut else data)
                web.cut = max(0, web.cut - 1)

            def log_message(self, format: str, *args: Any) -> None:
                """Not to be seen in tests."""

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    def add(self, path: str, data: bytes) -> tuple[str, str]:
        self.files[path] = data
        return self.url + path, sha(data)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()
    yield found
    found.close()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar(*members: tuple[str, bytes | str], mode: str = "w:gz") -> bytes:
    """A tar of (name, contents); text instead of bytes is the target of a symbolic link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.mode = 0o4777 if name.endswith("run") else 0o644
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_download_fetches_once_and_repairs(bench: Bench, web: Web) -> None:
    at = bench.root / "data"
    step = Download(web.url + "/data", str(at), sha(DATA), mode=0o640)
    real = bench.cycle(step)
    assert at.read_bytes() == DATA and at.stat().st_mode & 0o777 == 0o640
    assert real.diff[0].what == "new file" and web.asked == ["/data"]
    at.write_bytes(b"drift")
    assert bench.cycle(step).diff[0].what == "content"
    at.chmod(0o600)
    assert [c.what for c in bench.cycle(step).diff] == ["mode"]
    assert at.read_bytes() == DATA and len(web.asked) == 2
    assert [p.name for p in bench.root.iterdir()] == ["data"]


def test_download_of_something_else_changes_nothing(bench: Bench, web: Web) -> None:
    at = bench.root / "data"
    at.write_text("old")
    bench.fails(Download(web.url + "/data", str(at), "0" * 64), "another hash", plan=False)
    bench.fails(Download(web.url + "/none", str(at), "0" * 64), "answered 404", plan=False)
    bench.fails(Download("http://127.0.0.1:9/x", str(at), "0" * 64, attempts=1), "refused", plan=False)
    bench.fails(Download(web.url + "/data", str(bench.root), "0" * 64), "is a dir")
    assert at.read_text() == "old" and [p.name for p in bench.root.iterdir()] == ["data"]


def test_download_tries_again(bench: Bench, web: Web) -> None:
    at = bench.root / "data"
    web.fail, web.cut = 1, 1
    headers = {"X-Token": Secret("t0")}
    assert bench.run(Download(web.url + "/data", str(at), sha(DATA), headers=headers))[0].state == "changed"
    assert len(web.asked) == 3 and web.headers == ["t0"] * 3
    assert at.read_bytes() == DATA


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Download("ftp://x/y", "/a", "0" * 64), "http"),
        (Download("file:///etc/passwd", "/a", "0" * 64), "http"),
        (Download("http://x/y", "a", "0" * 64), "absolute"),
        (Download("http://x/y", "/a", "0" * 63), "64 hex"),
        (Download("http://x/y z", "/a", "0" * 64), "spaces"),
        (Download("http://x/y", "/a", "0" * 64, attempts=0), "attempts"),
        (Download("http://x/y", "/a", "0" * 64, headers={"a": "b\nc"}), "one line"),
        (Unpack("http://x/y", "/a", "nothing"), "64 hex"),
        (Unpack("/a/../b", "/a", "0" * 64), r"\.\."),
        (Unpack("/a.tar", "/a", "0" * 64, strip=-1), "strip"),
        (Unpack("/a.tar", "/a", "0" * 64, name="x/y"), "name"),
    ],
)
def test_bad_arguments_are_refused(step: Download, message: str) -> None:
    refuses(step, message)


def test_unpack_and_a_newer_archive(bench: Bench, web: Web) -> None:
    to = bench.root / "opt"
    one = tar(
        ("t-1/bin/run", b"#!x"), ("t-1/old", b"old"), ("t-1/bin/alias", "run"), ("t-1/sub", "bin/../bin")
    )
    url, digest = web.add("/one.tgz", one)
    step = Unpack(url, str(to), digest, strip=1)
    bench.cycle(step)
    assert (to / "bin/run").read_bytes() == b"#!x" and (to / "bin/run").stat().st_mode & 0o7777 == 0o755
    assert (to / "bin/alias").readlink() == Path("run") and web.asked == ["/one.tgz"]
    (to / "mine").write_text("stays")
    (to / "bin/run").unlink()
    assert bench.cycle(step).diff[0].what == "unpacked again"
    two = tar(("t-2/bin/run", b"#!y"), ("t-2/big", DATA), mode="w:xz")
    bench.cycle(Unpack(*web.add("/two.txz", two)[:1], str(to), sha(two), strip=1))
    assert sorted(p.name for p in to.iterdir()) == ["big", "bin", "mine"]
    assert (to / "big").read_bytes() == DATA and (to / "bin/run").read_bytes() == b"#!y"


def test_unpack_a_zip_of_this_host_beside_another(bench: Bench) -> None:
    at, to = bench.root / "a.zip", bench.root / "opt"
    with zipfile.ZipFile(at, "w") as archive:
        archive.writestr("a/b.txt", "text")
        run = zipfile.ZipInfo("run")
        run.external_attr = 0o755 << 16
        archive.writestr(run, "x")
    step = Unpack(str(at), str(to), sha(at.read_bytes()), name="zip")
    bench.cycle(step)
    assert (to / "a/b.txt").read_text() == "text" and (to / "run").stat().st_mode & 0o777 == 0o755
    other = bench.root / "b.tar"
    other.write_bytes(tar(("c", b"c"), mode="w"))
    bench.cycle(Unpack(str(other), str(to), sha(other.read_bytes())))
    bench.settled(step)
    at.write_bytes(b"PK not really")
    bench.fails(Unpack(str(at), str(to), sha(at.read_bytes()), name="zip"), "neither a tar", plan=False)
    bench.fails(Unpack(str(at), str(to), "0" * 64, name="zip"), "another hash", plan=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: tar(("../evil", b"x")),
        lambda: tar(("/etc/evil", b"x")),
        lambda: tar(("a/../../evil", b"x")),
        lambda: tar(("link", "/etc"), ("link/evil", b"x")),
        lambda: tar(("link", "sub"), ("link/evil", b"x")),
        lambda: tar(("link", "../..")),
        lambda: tar(("a/b", "../../x")),
    ],
)
def test_members_that_escape_are_refused(bench: Bench, make: Callable[[], bytes]) -> None:
    at = bench.root / "bad.tar"
    at.write_bytes(make())
    to = bench.root / "opt"
    bench.fails(Unpack(str(at), str(to), sha(at.read_bytes())), "leads outside", plan=False)
    assert not to.exists() and sorted(p.name for p in bench.root.iterdir()) == ["bad.tar"]


def test_devices_are_refused(bench: Bench) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("null")
        info.type = tarfile.CHRTYPE
        archive.addfile(info)
    at = bench.root / "bad.tar"
    at.write_bytes(out.getvalue())
    bench.fails(Unpack(str(at), str(bench.root / "opt"), sha(out.getvalue())), "device", plan=False)
