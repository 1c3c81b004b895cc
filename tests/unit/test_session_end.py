"""What is noted of a host at the end of a session has all that its next run begins with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from provision.controller import session as sessions
from provision.controller.session import Session


@pytest.mark.parametrize("answered", [True, False])
def test_what_plans_need_is_noted_only_if_it_was_sent(
    answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run may end before the host's first message has been read."""
    noted: list[Any] = []
    shipped: list[str] = []
    root = SimpleNamespace(user="root")
    session: Any = Session.__new__(Session)
    session._closed, session._recorded, session.whole = False, True, False
    session.brought = ""
    session._facts = root if answered else None
    session._login = SimpleNamespace(host="web1")
    session._shipped = set()
    session._conversation = SimpleNamespace(program=None, close=lambda: None)
    session._send = lambda message: None
    session._ship = shipped.append

    def pump() -> None:
        session._facts, session._closed = root, True

    session._pump = pump
    monkeypatch.setattr(sessions, "remember_program", lambda *given: noted.append(given))
    session.finish()
    assert bool(noted) is bool(shipped) is answered
