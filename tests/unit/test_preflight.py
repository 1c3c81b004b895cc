"""Before a run touches a host, prov says how far its clock is from this machine's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from provision.controller.agent_conversation import outside
from provision.controller.events import Attention, Event, Notice
from provision.run.preflight import tell_clock


@pytest.mark.parametrize(
    ("moment", "off"), [(100.0, 0.0), (109.9, 0.0), (110.0, 0.0), (112.5, 2.5), (95.0, -5.0)]
)
def test_a_clock_is_off_by_what_the_wait_for_it_does_not_explain(moment: float, off: float) -> None:
    assert outside(moment, 100.0, 110.0) == off


@pytest.mark.parametrize(
    ("off", "kind", "said"),
    [
        (0.0, None, ""),
        (-4.9, None, ""),
        (7.2, Notice, "its clock is 7 s ahead of this machine's"),
        (-29.0, Notice, "its clock is 29 s behind this machine's"),
        (
            3600.4,
            Attention,
            "its clock is 3600 s ahead of this machine's: one-time passwords, signed tokens and new",
        ),
        (-31.0, Attention, "its clock is 31 s behind this machine's: one-time passwords"),
    ],
)
def test_a_clock_that_differs_is_told_by_what_it_harms(
    off: float, kind: type[Event] | None, said: str
) -> None:
    events: list[Any] = []
    host: Any = SimpleNamespace(
        name="web1", started=lambda: SimpleNamespace(clock_off=off), emit=events.append
    )
    tell_clock(host)
    assert [type(each) for each in events] == ([kind] if kind else [])
    assert all(each.text.startswith(said) for each in events)
