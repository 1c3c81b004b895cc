"""A wait for a service ends as soon as it is of no use, and shows what the service said first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest

from provision.errors import StepError
from provision.steps import waiting
from provision.steps.waiting import Behind, Url
from provision.system.unit_state import UnitState

SERVICE = "app-shop@1.service"
SAID = """starting
GET / failed
Traceback (most recent call last):
  File "shop.py", line 1, in page
ZeroDivisionError: the cause
Traceback (most recent call last):
RuntimeError: what came of it"""


class FakeHost:
    """A host whose service is in these states, one a look, then always in the last one."""

    planned = False

    def __init__(self, *states: UnitState) -> None:
        looks = chain(states, repeat(states[-1]))
        self.asked: list[list[str]] = []
        self.units = SimpleNamespace(
            forget=lambda: None, state=lambda name: next(looks), journal=lambda name: "the last lines"
        )

    def ask(self, argv: list[str], **options: Any) -> Any:
        self.asked.append(argv)
        return SimpleNamespace(stdout=SAID)


def start(number: int, active: str = "active") -> UnitState:
    return UnitState(load="loaded", active=active, invocation=f"start-{number}")


class Failing(BaseHTTPRequestHandler):
    status = 500

    def do_GET(self) -> None:
        self.send_error(self.status)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def failing() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Failing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_the_same_error_ends_it_early_and_the_first_traceback_is_shown(
    failing: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SAME", 0.5)
    host: Any = FakeHost(start(1))
    with pytest.raises(StepError) as caught:
        Url(f"http://127.0.0.1:{failing.server_port}/", within=60, service=SERVICE).check(host)
    assert "status 500" in caught.value.message and "for 0.5 s" in caught.value.message
    assert caught.value.stderr == "\n".join(SAID.splitlines()[1:])
    assert "_SYSTEMD_INVOCATION_ID=start-1" in host.asked[0]


def test_a_service_that_asks_for_time_gets_it(failing: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SAME", 0.1)
    monkeypatch.setattr(Failing, "status", 503)
    host: Any = FakeHost(start(1))
    before = time.monotonic()
    with pytest.raises(StepError, match="status 503"):
        Url(f"http://127.0.0.1:{failing.server_port}/", within=3, service=SERVICE).check(host)
    assert time.monotonic() - before > 1.5


def test_a_service_that_keeps_starting_or_has_failed_is_not_waited_for() -> None:
    host: Any = FakeHost(start(1), start(1), start(2), start(3), start(4))
    behind = Behind(host, SERVICE)
    assert [bool(behind.hopeless("refused")) for _ in range(5)] == [False] * 4 + [True]
    # what it said when it began, not what came of that
    assert behind.journal().startswith("GET / failed\nTraceback")
    assert "_SYSTEMD_INVOCATION_ID=start-1" in host.asked[0]
    failed: Any = FakeHost(start(1, "failed"))
    assert Behind(failed, SERVICE).hopeless("refused") == f"{SERVICE} has failed"


def test_without_a_traceback_the_last_lines_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    host: Any = FakeHost(start(1))
    behind = Behind(host, SERVICE)
    monkeypatch.setattr(host, "ask", lambda argv, **options: SimpleNamespace(stdout="one\ntwo"))
    # of this start, not of those before
    assert behind.journal() == "one\ntwo"
    behind.hopeless("refused")
    assert behind.journal() == "one\ntwo"
    never: Any = FakeHost(UnitState(load="loaded"))
    assert Behind(never, SERVICE).journal() == "the last lines"
