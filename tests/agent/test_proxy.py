"""Where a proxy is the only way out, fetch, commands and pip take it, as a login does."""

from __future__ import annotations

import hashlib
import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_sessions import Agents, private_etc
from test_cases import submit

from provision.controller.outcome import Outcome
from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.fetch import Download
from provision.steps.python import Venv

BODY = b"from far away\n"


class Proxy(http.server.ThreadingHTTPServer):
    """Answers for all hosts, and lets nothing through. asked: request lines, and who was let in."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://someone:a-pass-word@127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._note()
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def do_CONNECT(self) -> None:
        self._note()
        self.send_error(403)

    def _note(self) -> None:
        assert isinstance(self.server, Proxy)
        self.server.asked.append(
            (self.command + " " + self.path, self.headers.get("Proxy-Authorization", ""))
        )

    def log_message(self, format: str, *args: object) -> None:
        """Not to be seen in tests."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as found:
        threading.Thread(target=found.serve_forever, args=[0.05], daemon=True).start()
        yield found
        found.shutdown()


def run(agents: Agents, root: Path, proxy: Proxy, *steps: Step) -> list[Outcome]:
    (root / "etc").mkdir(mode=0o755)
    lines = [
        f"https_proxy={proxy.url}",
        f'export http_proxy="{proxy.url}"',
        "LD_DEBUG=all",
        "PYTHONPATH=/evil",
    ]
    (root / "etc/environment").write_text("\n".join(lines))
    with agents.session(wrap=private_etc(root)) as session:
        return [submit(session, step) for step in steps]


@pytest.mark.trust("11", "no-proxy-environment")
def test_downloads_go_through_the_proxy(agents: Agents, root: Path, proxy: Proxy) -> None:
    sha256 = hashlib.sha256(BODY).hexdigest()
    plain, tls = run(
        agents,
        root,
        proxy,
        Download("http://files.test/x", f"{root}/x", sha256=sha256),
        Download("https://files.test/y", f"{root}/y", sha256=sha256, attempts=1),
    )
    assert (plain.state, (root / "x").read_bytes()) == ("changed", BODY)
    assert tls.error is not None
    assert "403" in tls.error.message
    assert [line for line, _ in proxy.asked] == ["GET http://files.test/x", "CONNECT files.test:443"]
    assert all(login.startswith("Basic ") for _, login in proxy.asked)


@pytest.mark.trust("11", "no-proxy-environment")
def test_commands_know_the_proxy_and_nothing_else_that_is_set_there(
    agents: Agents, root: Path, proxy: Proxy
) -> None:
    (outcome,) = run(agents, root, proxy, Command(["env"], reason="a test"))
    found = dict(line.split("=", 1) for line in outcome.stdout.splitlines())
    shown = proxy.url.replace("someone:a-pass-word", "********")
    assert found["http_proxy"] == found["https_proxy"]
    assert "a-pass-word" not in outcome.stdout
    assert found["http_proxy"].endswith(shown.rsplit("@", 1)[1])
    assert not {"LD_DEBUG", "PYTHONPATH"} & set(found)


@pytest.mark.trust("11", "no-proxy-environment")
def test_pip_goes_through_the_proxy(agents: Agents, root: Path, proxy: Proxy) -> None:
    settings = {"PIP_INDEX_URL": "https://index.test/simple", "PIP_RETRIES": "0"}
    step = Venv(
        f"{root}/venv",
        python=sys.executable,
        packages=["prov-is-not-there"],
        installer="pip",
        environment=settings,
    )
    (outcome,) = run(agents, root, proxy, step)
    assert outcome.state == "failed", "the proxy lets nothing through"
    assert proxy.asked[0][0] == "CONNECT index.test:443"
