"""Units whose port something else holds, and units that have only a mask: a plan says what a deploy does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hosts import Hosts, on

from provision.lab import openssh

sys.path.append(str(Path(__file__).parents[1] / "steps_more"))
from steps_bench import Bench

from provision.steps.base import Step
from provision.steps.masks import Masked
from provision.steps.services import Service
from provision.steps.unit_files import Unit

pytestmark = [pytest.mark.lab, pytest.mark.trust("11", "held-port")]
NAME = "t-ports"
SERVER = "[Service]\nExecStart=/usr/bin/python3 -m http.server %s\n[Install]\nWantedBy=multi-user.target\n"
SOCKET = "[Socket]\nListenStream=%s\n[Install]\nWantedBy=sockets.target\n"
SERVED = Unit("w.service", "[Service]\nExecStart=/bin/sleep 1000\n")


@pytest.fixture
def bench(lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    found.argv = openssh.argv(lab_hosts.one(NAME), batch=True)
    yield found


def said(bench: Bench, *steps: Step) -> str:
    """What the last of the steps is refused for, alike by plan and deploy; "" if both come to the same good end."""
    planned, real = bench.run(*steps, plan=True)[-1], bench.run(*steps)[-1]
    assert (planned.state, planned.diff) == (real.state, real.diff)
    if real.error is None:
        return ""
    assert planned.error is not None
    assert planned.error.message == real.error.message
    return real.error.message


def test_the_process_is_named_and_the_unit_left_alone(bench: Bench) -> None:
    assert said(bench, Unit("a.service", SERVER % 80), Service("a", ports=[80])) == ""
    pid = on(NAME, "systemctl", "show", "-P", "MainPID", "a")
    held = f"port 80 is held by python3 (process {pid}, a.service)"
    steps = [Unit("b.service", SERVER % 80), Service("b", ports=[443, 80])]
    assert said(bench, *steps) == f"b.service would not start: {held}"
    assert on(NAME, "systemctl", "show", "-P", "ActiveState", "b") == "inactive"
    for address in ("80", "127.0.0.1:80", "[::1]:80"):
        steps = [Unit("w.socket", SOCKET % address), SERVED, Service("w.socket")]
        assert said(bench, *steps).endswith(held.removeprefix("port 80")), address
    assert said(bench, Unit("w.socket", SOCKET % "127.0.0.1:81"), Service("w.socket")) == ""
    # its own port, and one that it shares by its own wish, do not disturb
    assert said(bench, Unit("a.service", SERVER % 80 + "# x\n"), Service("a", ports=[80])) == ""
    changed = Unit("w.socket", SOCKET % "127.0.0.1:81" + "# x\n")
    assert said(bench, changed, Service("w.socket", running=False), Service("w.socket")) == ""
    assert said(bench, Unit("v.socket", SOCKET % "81"), Service("v.socket")) == (
        "v.socket would not start: port 81 is held by w.socket"
    )
    # what makes way, or is stopped before, is none either
    assert said(bench, Unit("b.service", SERVER % 80), Service("b", ports=[80], instead_of=["a"])) == ""
    assert said(bench, Service("b", running=False), Service("a", ports=[80])) == ""


#: closes its port when it is to stop, and lives until /run/end is there
SLOW = """[Service]
ExecStart=/usr/bin/python3 -c "import os, signal, socket, time; s = socket.create_server(('', 80)); \\
  signal.signal(signal.SIGTERM, lambda *_: s.close()); signal.pause(); \\
  [time.sleep(0.05) for _ in iter(lambda: os.path.exists('/run/end'), True)]"
ExecStartPost=/bin/sh -c 'until grep -q :0050 /proc/net/tcp; do sleep 0.05; done'
[Install]
WantedBy=multi-user.target
"""
#: lets it end
NEXT = "[Service]\nExecStartPre=/bin/touch /run/end\nExecStart=/usr/bin/python3 -m http.server 80\n"


def test_a_unit_that_makes_way_may_finish_while_the_next_one_serves(bench: Bench) -> None:
    on(NAME, "systemctl", "stop", "a", "b")
    run = bench.run(
        Unit("slow.service", SLOW),
        Service("slow", ports=[80]),
        Unit("next.service", NEXT),
        Service("next", enabled=None, ports=[80], instead_of=["slow"]),
    )
    assert [o.state for o in run] == ["changed"] * 4, [o.error for o in run]
    states = on(NAME, "systemctl", "show", "-P", "ActiveState", "slow", "next").split()
    assert states == ["inactive", "active"]
    on(NAME, "systemctl", "stop", "next")


def test_two_that_start_in_one_plan_want_the_same_port(bench: Bench) -> None:
    units = [Unit(f"{name}.service", "[Service]\nExecStart=/bin/sleep 1000\n") for name in "cd"]
    sockets = [Unit(f"{name}.socket", SOCKET % 82) for name in "cd"]
    steps = [*units, *sockets, Service("c.socket"), Service("d.socket")]
    planned, real = bench.run(*steps, plan=True), bench.run(*steps)
    assert [o.state for o in planned] == [o.state for o in real] == [*["changed"] * 5, "failed"]
    held = "d.socket would not start: port 82 is held by c.socket"
    assert real[-1].error is not None
    assert real[-1].error.message == held
    assert planned[-1].error is not None
    assert planned[-1].error.message == f"{held}, which starts before it"


def test_of_a_unit_that_is_not_installed_a_mask_is_no_unit(bench: Bench) -> None:
    assert said(bench, Masked("haproxy"), Service("haproxy")) == "the host has no unit haproxy.service"
    assert said(bench, Service("haproxy", running=False, enabled=False)) == ""
    assert on(NAME, "readlink", "/etc/systemd/system/haproxy.service") == "/dev/null"
