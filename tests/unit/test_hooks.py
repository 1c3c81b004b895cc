"""Commands and notices of a project around its deploys, with the real agent and without SSH."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_project import Prov, command_line, greeting_project, use_local_agents

Hooked = Callable[..., Path]
FAILING = '["sh", "-c", "exit 3"]'


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    """Runs the command line in the current folder; gives exit status, stdout and stderr."""
    use_local_agents(monkeypatch.setattr, tmp_path)

    return command_line(monkeypatch, capsys)


@pytest.fixture
def hooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hooked:
    """Makes a project with these hooks the current folder, and returns it."""

    def make(hooks: str, words: str = "[]") -> Path:
        folder = greeting_project(tmp_path / "project", words=words)
        (folder / "pyproject.toml").write_text(f"[tool.prov.hooks]\n{hooks}\n")
        monkeypatch.chdir(folder)
        return folder

    return make


def keep(name: str, then: str = "true") -> str:
    """A hook that writes what it reads to a file of the project."""
    return f"""["sh -c 'cat > {name}; {then}'"]"""


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_commands_come_before_and_after(prov: Prov, hooked: Hooked) -> None:
    later = f"after = {keep('ended', 'echo printed')}\nfailure = {keep('failed')}"
    here = hooked(f"before = {keep('began')}\n{later}")
    assert prov("plan", "web1")[0] == 3
    assert not (here / "began").exists() and not (here / "ended").exists(), "a plan runs none"
    status, out, _ = prov("deploy", "web1", "--json")
    assert status == 0
    assert lines(here / "began") == [{"event": "begin", "target": "web1", "hosts": ["web1"]}]
    assert lines(here / "ended") == [json.loads(line) for line in out.splitlines()], "stdout is the report's"
    assert not (here / "failed").exists()


def test_a_command_before_that_fails_keeps_the_deploy_from_beginning(prov: Prov, hooked: Hooked) -> None:
    here = hooked(f"before = {keep('began', 'exit 7')}\nfailure = {keep('failed')}")
    status, out, err = prov("deploy", "web1")
    assert (status, out) == (1, "")
    assert "pyproject.toml tool.prov.hooks.before" in err
    assert "ended with 7" in err and "Nothing has been deployed" in err
    assert not (here / "host/greeting").exists()


def test_what_comes_after_a_failure(prov: Prov, hooked: Hooked) -> None:
    here = hooked(f"after = {keep('ended')}\nfailure = {keep('failed')}", words=FAILING)
    assert prov("deploy", "web1")[0] == 1
    assert not (here / "ended").exists()
    ended = [line for line in lines(here / "failed") if line["event"] == "host"]
    assert ended[-1]["state"] == "failed"


def test_commands_after_a_deploy_may_fail_or_hang(prov: Prov, hooked: Hooked) -> None:
    here = hooked('after = ["false", "no-such-program", ["sleep", "60"]]\ntimeout = 0.2')
    status, _, err = prov("deploy", "web1")
    assert status == 1 and (here / "host/greeting").exists()
    assert "tool.prov.hooks.after: the hook false ended with 1" in err
    assert "no-such-program can't be run: No such file" in err
    assert "sleep 60 has not ended within 0.2 s" in err


def test_mistakes_are_told_before_anything_is_touched(prov: Prov, hooked: Hooked) -> None:
    here = hooked('befor = ["true"]\nnotify = [{url_env = "HOOK", form = "teams"}]')
    status, _, err = prov("deploy", "web1")
    assert status == 2
    assert "pyproject.toml tool.prov.hooks.befor" in err and "tool.prov.hooks.notify.0.form" in err
    assert not (here / "host/greeting").exists()


@pytest.fixture
def received() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web server on the loopback: its URL, and the bodies that it has got."""
    found: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", found
        server.shutdown()


def test_notices(
    prov: Prov,
    hooked: Hooked,
    received: tuple[str, list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, bodies = received
    monkeypatch.setenv("CHAT", f"{url}/secret-part")
    monkeypatch.setenv("BROKEN", f"{url}/broken")
    monkeypatch.setenv("OPEN_TO_ALL", "http://192.0.2.1/secret-part")
    hooked(
        'notify = [{url_env = "CHAT", form = "slack"}, {url_env = "BROKEN"}, {url_env = "CHAT", on = "failure"},'
        ' {url_env = "OPEN_TO_ALL"}, {url_env = "NOT_SET"}]'
    )
    status, _, err = prov("deploy", "web1")
    assert status == 0, "the deploy itself went well"
    slack, plain = bodies
    assert slack["text"].startswith("web1: deployed, ")
    assert "web1  done  1 changed, 0 failed" in slack["text"]
    assert (plain["target"], plain["status"], plain["hosts"]["web1"]["state"]) == ("web1", 0, "done")
    assert "$BROKEN: it answers 500" in err
    assert "$OPEN_TO_ALL: its URL does not begin with https://" in err
    assert "$NOT_SET: the variable is not set" in err
    assert "secret-part" not in err
