"""A run costs one process of ssh and a few round trips, however many steps it has (decisions D1, D3, D13)."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from helpers.hosts import Hosts, on
from helpers.projects import Project, by_address

from provision import lab
from provision.controller.events import HostDone, StepDone
from provision.controller.openssh.process import Started
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.inventory import load
from provision.roles.project import resolve
from provision.roles.reach import PendingConnection
from provision.run.on_hosts import Run

pytestmark = pytest.mark.lab

NAME = "t-trips"
#: added to every way through the slow line, seconds: well above what else a busy machine adds to a run
DELAY = 0.4


@dataclass
class Counts:
    """What one run cost. processes: of ssh.  frames: sent to the agent.  states: of the steps."""

    processes: int = 0
    frames: int = 0
    seconds: float = 0.0
    states: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def host(lab_hosts: Hosts) -> lab.LabHost:
    return lab_hosts.one(NAME)


def run(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, *, plan: bool = False, pending: bool = False
) -> Counts:
    """A deploy in this process, with everything counted that crosses the line. pending: connect first."""
    counts = Counts()

    def counted(owner: Any, attribute: str, field: str) -> None:
        original = getattr(owner, attribute)

        def wrapper(self: Any, *arguments: Any, **named: Any) -> Any:
            setattr(counts, field, getattr(counts, field) + 1)
            return original(self, *arguments, **named)

        patch.setattr(owner, attribute, wrapper)

    with monkeypatch.context() as patch:
        patch.chdir(project.folder)
        counted(Started, "__init__", "processes")
        counted(Session, "_send", "frames")
        began = time.monotonic()
        assignments = resolve(load(None).select(name, None))
        begun = PendingConnection(assignments[0].host, plan=plan) if pending else None
        deploy = Run(assignments, RunOptions(plan=plan), pending=begun)
        events = list(deploy)
        counts.seconds = time.monotonic() - began
    assert [e.error for e in events if isinstance(e, HostDone)] == [None]
    counts.states = tuple(e.state for e in events if isinstance(e, StepDone))
    return counts


def steps(project: Project, name: str, number: int) -> None:
    """A role of that many steps, all of which find nothing to do."""
    body = f"""
    for number in range({number}):
        files.directory(c, "/etc")
    """
    project.role(name, body)


@pytest.fixture
def few_and_many(project: Project, host: lab.LabHost) -> Project:
    """Two names for one host: with 5 steps, and with 500."""
    steps(project, "few", 5)
    steps(project, "many", 500)
    hosts = {name: {**by_address(host), "roles": [name]} for name in ("few", "many")}
    return project.inventory(hosts)


def test_one_exec_whatever_the_number_of_steps(
    few_and_many: Project, host: lab.LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in few_and_many.home(host).items():
        monkeypatch.setenv(variable, value)
    # the first run of all leaves its program on the host
    run(few_and_many, monkeypatch, "few")
    few = run(few_and_many, monkeypatch, "few")
    many = run(few_and_many, monkeypatch, "many")
    assert (few.states, many.states) == (("ok",) * 5, ("ok",) * 500)
    assert (few.processes, many.processes) == (1, 1)
    assert many.frames - few.frames == 495, "a message for each step, and none besides"


def test_a_connection_that_was_begun_ahead_is_the_only_one(
    few_and_many: Project, host: lab.LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in few_and_many.home(host).items():
        monkeypatch.setenv(variable, value)
    for pending in (False, True):
        many = run(few_and_many, monkeypatch, "many", pending=pending)
        assert many.processes == 1
        assert many.states == ("ok",) * 500


def test_the_host_agrees(few_and_many: Project, host: lab.LabHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """sshd's own account of the sessions that it started."""
    settings = "/etc/ssh/sshd_config.d/00-t-log.conf"
    on(NAME, "sh", "-c", f"echo 'LogLevel VERBOSE' >{settings}; systemctl reload ssh")
    for variable, value in few_and_many.home(host).items():
        monkeypatch.setenv(variable, value)
    try:
        cursor = on(NAME, "journalctl", "-n0", "--show-cursor").split("cursor: ")[1]
        run(few_and_many, monkeypatch, "many")
        log = on(NAME, "journalctl", "-u", "ssh", f"--after-cursor={cursor}", "-o", "cat")
    finally:
        on(NAME, "sh", "-c", f"rm {settings}; systemctl reload ssh")
    starts = [line.split(" for ")[0] for line in log.splitlines() if line.startswith("Starting session")]
    # the first and the last are this test's own
    own = [start for start in starts if start == "Starting session: command"]
    assert len(starts) == len(own) <= 3
    pids = log.count("Accepted publickey for")
    assert pids == len(starts), "one session in each connection"


def test_500_steps_take_no_more_round_trips_than_5(
    few_and_many: Project, host: lab.LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a line on which every round trip takes 0.8 s: a step that waited for the previous one would show."""
    for variable, value in few_and_many.home(host).items():
        monkeypatch.setenv(variable, value)

    def seconds(name: str) -> float:
        # what else the machine does can only make a run longer
        return min(run(few_and_many, monkeypatch, name).seconds for _ in range(3))

    work = seconds("many") - seconds("few")
    with slow_line(host.address, 22) as port:
        hosts = {
            name: {**by_address(host), "ansible_host": "127.0.0.1", "ansible_port": port, "roles": [name]}
            for name in ("few", "many")
        }
        kept = {"kept": {**hosts["few"], "prov_persist": 20}}
        for variables in hosts.values():
            variables["prov_persist"] = 0
        hosts.update(kept)
        few_and_many.inventory(hosts)
        known = few_and_many.folder / "home/.ssh/known_hosts"
        known.write_text(f"[127.0.0.1]:{port} {known.read_text().split(maxsplit=1)[1]}")
        few, many, kept_few = (seconds(name) for name in ("few", "many", "kept"))
    assert few > 10 * DELAY, "or the line is not slow"
    # a round trip is 2 * DELAY; what is allowed beside the work itself is less than one
    assert many - few - work < 1.9 * DELAY
    # a login takes five round trips and more, whatever else the machine does
    assert few - kept_few > 6 * DELAY, "a connection that was kept costs no login"


def test_a_plan_costs_no_more(
    few_and_many: Project, host: lab.LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in few_and_many.home(host).items():
        monkeypatch.setenv(variable, value)
    many = run(few_and_many, monkeypatch, "many", plan=True)
    assert many.processes == 1


@contextmanager
def slow_line(address: str, port: int) -> Iterator[int]:
    """A port of this machine that leads to another host's, each byte DELAY later than it would be."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server, address, port), daemon=True).start()
        yield server.getsockname()[1]


def accept(server: socket.socket, address: str, port: int) -> None:
    while True:
        try:
            near, _ = server.accept()
        except OSError:
            return
        far = socket.create_connection((address, port), 10)
        for sock in (near, far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=pump, args=(near, far), daemon=True).start()
        threading.Thread(target=pump, args=(far, near), daemon=True).start()


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, each piece DELAY after it came."""
    waiting: list[tuple[float, bytes]] = []
    while True:
        due = waiting[0][0] - time.monotonic() if waiting else None
        ready = select.select([source], [], [], max(0.0, due) if due is not None else None)[0]
        if ready:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            waiting.append((time.monotonic() + DELAY, data))
        while waiting and waiting[0][0] <= time.monotonic():
            data = waiting.pop(0)[1]
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
            except OSError:
                return
