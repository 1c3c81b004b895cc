"""Checkouts from a git server that speaks HTTPS on the loopback; tests/lab/test_files_users.py has one over ssh."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from steps_bench import Bench
from test_git_and_sqlite import Repository

from provision.steps.git import Checkout


class Backend(http.server.BaseHTTPRequestHandler):
    """Answers with git-http-backend(1), as Apache and nginx do."""

    project: Path
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = {
            "GIT_PROJECT_ROOT": str(self.project),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "PATH": os.environ["PATH"],
        }
        argv = ["git", "-c", "safe.directory=*", "http-backend"]
        said = subprocess.run(argv, input=body, env=asked, capture_output=True, check=True, timeout=30).stdout
        lines, _, content = said.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in lines.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", str(HTTPStatus.OK.value)).split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(bench: Bench) -> Iterator[http.server.HTTPServer]:
    """A server of the repositories in bench.folder; the agent's git trusts its certificate."""
    key, cert = bench.folder / "server.key", bench.folder / "server.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*argv, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    handler = type("Here", (Backend,), {"project": bench.folder})
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    found.socket = context.wrap_socket(found.socket, server_side=True)
    trust(bench, cert)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


def trust(bench: Bench, cert: Path) -> None:
    """Have the agent's git trust this certificate alone: git-config(1), http.sslCAInfo."""
    etc, work = bench.folder / "etc", bench.folder / "work-etc"
    etc.mkdir(exist_ok=True)
    work.mkdir(exist_ok=True)
    (etc / "gitconfig").write_text(f'[http]\n\tsslCAInfo = "{cert}"\n')
    layers = f"mount -t overlay overlay -o lowerdir=/etc,upperdir={etc},workdir={work} /etc"
    bench.argv = ["unshare", "--mount", "sh", "-c", f'{layers} && exec sh -c "$0"']


def test_a_checkout_over_https(bench: Bench, server: http.server.HTTPServer) -> None:
    origin = Repository(bench.folder / "origin")
    first = origin.commit("one")
    at = bench.root / "src"
    url = f"https://localhost:{server.server_port}/origin/.git"
    bench.cycle(Checkout(url, str(at), "main", depth=1, remote="origin"))
    assert (at / "file").read_text() == "one"
    second = origin.commit("two")
    real = bench.cycle(Checkout(url, str(at), "main", depth=1, remote="origin"))
    assert real.diff[0][:3] == ("commit", first[:12], f"main {second[:12]}")
    assert (at / "file").read_text() == "two"
    bench.fails(Checkout(url.replace("origin", "none"), str(at), "main"), "not found")


def test_a_server_that_is_not_trusted_is_not_asked(bench: Bench, server: http.server.HTTPServer) -> None:
    Repository(bench.folder / "origin").commit("one")
    trust(bench, Path("/etc/ssl/certs/ca-certificates.crt"))
    url = f"https://localhost:{server.server_port}/origin/.git"
    bench.fails(Checkout(url, str(bench.root / "src"), "main"), "certificate")
    assert not (bench.root / "src").exists()
