"""A unit takes ports over from another one that serves on, or a plan says why connections are refused for a moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hosts import Hosts, on

from provision.lab import openssh

sys.path.append(str(Path(__file__).parents[1] / "steps_more"))
from steps_bench import Bench

from provision.steps.services import Service
from provision.steps.unit_files import Unit

pytestmark = pytest.mark.lab
NAME = "t-share"


@pytest.fixture
def bench(lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    found.argv = openssh.argv(lab_hosts.one(NAME), batch=True)
    yield found


#: listens on ports, and does nothing else; by format: whether it shares them, the ports, one of them
SHARING = """[Service]
ExecStart=/usr/bin/python3 -c "import socket, signal; \\
  found = [socket.create_server(('', port), reuse_port=%s) for port in (%s)]; signal.pause()"
ExecStartPost=/bin/sh -c 'until ss -Htlnp sport = :%d | grep -q pid=$MAINPID,; do sleep 0.02; done'
[Install]
WantedBy=multi-user.target
"""


@pytest.mark.parametrize(
    ("ports", "shares", "after"),
    [
        ("83,", True, "accepted throughout"),
        ("83, 84", True, "refused for a moment, then accepted: old.service listens on 84 as well"),
        ("83,", False, "refused for a moment, then accepted: the two do not share ports"),
    ],
)
def test_units_share_a_port_for_a_moment_or_a_plan_says_why_not(
    bench: Bench, ports: str, shares: bool, after: str
) -> None:
    old = [Unit("old.service", SHARING % (False, ports, 83)), Service("old", enabled=None, ports=[83])]
    new = Unit("new.service", SHARING % (shares, "83,", 83))
    turn = Service("new", enabled=None, ports=[83], instead_of=["old"], shares_ports=shares)
    assert [each.state for each in bench.run(*old)] == ["changed", "changed"]
    planned, done = bench.run(new, turn, plan=True), bench.run(new, turn)
    assert [(each.state, each.diff) for each in planned] == [(each.state, each.diff) for each in done]
    assert [(change.what, change.after) for change in done[1].diff][1:] == [
        ("old.service", "inactive, disabled"),
        ("connections to 83", after),
    ]
    assert on(NAME, "systemctl", "show", "-P", "ActiveState", "old", "new").split() == ["inactive", "active"]
    assert bench.run(new, turn)[1].state == "ok"
    on(NAME, "systemctl", "stop", "new")
