"""Runs that die, and commands beside them: what the host remembers of its units stays true."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from agent_sessions import Agents, wait_for

from provision.controller.outcome import StepFailed
from provision.controller.session import Session
from provision.steps.base import Ref
from provision.steps.command import Command
from provision.steps.files import File
from provision.steps.history import History
from provision.steps.services import Service
from provision.steps.undo import Undo
from provision.system.memory.ledger import Ledger
from provision.system.unit_state import UnitState

LOOK = Command(["true"], reason="a look")


def aside(agents: Agents, lock: str = "free") -> Session:
    """What `prov run` opens."""
    return agents.start(opening={"aside": lock})


def steps_of_runs(agents: Agents) -> list[dict[str, Any]]:
    """The runs that the host remembers."""
    with agents.session(plan=True) as session:
        found: list[dict[str, Any]] = json.loads(session.submit(History()).wait().stdout)["runs"]
    return found


def remembered(agents: Agents) -> dict[str, bytes]:
    """All files of the ledger's folder, but for the lock."""
    files = (p for p in agents.ledger.rglob("*") if p.is_file() and p.name != "lock")
    return {str(p): p.read_bytes() for p in files}


@pytest.mark.trust("8", "killed-prov-run-restarts-everything")
@pytest.mark.parametrize("lock", ["free", "locked"])
def test_a_command_that_is_killed_leaves_no_trace(agents: Agents, root: Path, lock: str) -> None:
    with agents.session() as session:
        session.submit(File(f"{root}/conf", "a\n"))
    before = remembered(agents)
    session = aside(agents, lock)
    running = root / "running"
    session.submit(Command(["sh", "-c", f"touch {running}; exec sleep 2"], reason="a look"))
    wait_for(running.exists)
    assert agents.locked() == (lock == "locked")
    assert not owed(agents, "file /conf")
    agents.channels[-1].kill()
    session.abandon()
    assert remembered(agents) == before
    assert not owed(agents, "file /conf")
    assert [run["state"] for run in steps_of_runs(agents)] == ["done"]
    wait_for(lambda: not agents.locked())


@pytest.mark.trust("8", "undo-after-run")
def test_an_undo_after_fifty_looks_undoes_the_deploy(agents: Agents, root: Path) -> None:
    with agents.session() as session:
        session.submit(File(f"{root}/conf", "a\n"))
    session = aside(agents)
    for _ in range(60):
        session.submit(LOOK)
    session.finish()
    for _ in range(3):
        session = aside(agents)
        with pytest.raises(StepFailed):
            session.submit(Command(["false"], reason="a look")).wait()
        session.finish()
    assert len(steps_of_runs(agents)) == 1
    with agents.session() as session:
        assert session.submit(Undo()).wait().changed
    assert not (root / "conf").exists()


def test_a_command_runs_beside_a_deploy_unless_it_asks_for_the_lock(agents: Agents, root: Path) -> None:
    ended = root / "end"
    deploy = agents.start()
    waits = ["sh", "-c", f"while [ ! -e {ended} ]; do sleep 0.02; done"]
    deploy.submit(Command(waits, reason="a deploy at work"))
    wait_for(agents.locked)
    beside = aside(agents)
    assert beside.submit(Command(["echo", "here"], reason="a look")).stdout == "here\n"
    beside.finish()
    with pytest.raises(Exception, match="another run is at work"):
        aside(agents, "locked").submit(LOOK).wait()
    ended.touch()
    deploy.finish()


# -- deploys that die


def owed(agents: Agents, *labels: str, unit: str = "shop.service") -> bool:
    """Whether a plan says now that a unit which reads these is to be restarted."""
    ledger = Ledger(str(agents.ledger))
    return any(ledger.owes_reload(unit, Ref(1, label)) or ledger.may_have_changed(label) for label in labels)


class Units:
    """shop.socket and its service, as systemd has them."""

    def __init__(self) -> None:
        self.states = dict.fromkeys(("shop.socket", "shop.service"), UnitState("loaded", "active"))
        self.done: list[str] = []

    def state(self, name: str) -> UnitState:
        return self.states[name]

    def do(self, verb: str, *names: str, timeout: float = 100) -> None:
        self.done.append(" ".join([verb, *names]))
        for name in names:
            if verb != "stop" and name == "shop.socket":
                assert self.states["shop.service"].active == "inactive", "already active, refusing"
            self.states[name] = UnitState("loaded", "inactive" if verb == "stop" else "active")


class Host:
    """A host whose units are only a picture; its ledger is a real one."""

    planned = False

    def __init__(self, home: Path) -> None:
        self.home = str(home)
        self.units = Units()
        self.files = self
        self.ledger = Ledger(self.home)

    def stat(self, path: str) -> None:
        """No file is there."""

    def list(self, path: str) -> tuple[str, ...]:
        """Nor is any folder."""
        return ()

    def begin(self, label: str) -> None:
        """A step is about to act."""
        self.ledger.begin().step_begins(label)

    def unit(self, service: Service) -> Sequence[str]:
        """Run the step of a unit; what it did."""
        self.units.done.clear()
        diff = service.check(self)  # type: ignore[arg-type]
        if diff:
            self.begin(service.label())
            service.apply(self, diff)  # type: ignore[arg-type]
        return self.units.done

    def dies(self) -> None:
        """The agent is killed; another one begins."""
        self.ledger = Ledger(self.home)

    def ends(self) -> None:
        """The run ends well; another agent begins."""
        self.ledger.save()
        if self.ledger.record is not None:
            self.ledger.record.end(None, ended="1", changed=[], failed=[])
        self.dies()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "ledger")


def socket(fingerprint: str = "a", changed: bool = False) -> Service:
    return Service(
        "shop.socket", enabled=None, restart_on=[Ref(1, "unit file shop.socket", changed, fingerprint)]
    )


@pytest.mark.trust("8", "killed-deploy-restarts-sockets")
def test_a_deploy_that_died_elsewhere_owes_the_socket_nothing(host: Host) -> None:
    host.unit(socket())
    host.ends()
    host.begin("tree /srv/shop/releases/2")
    host.dies()
    assert host.unit(socket()) == []


def test_a_deploy_that_died_while_it_wrote_what_a_unit_reads_owes_the_restart(host: Host) -> None:
    host.unit(socket())
    host.ends()
    host.begin("unit file shop.socket")
    host.dies()
    assert host.unit(socket()) == ["stop shop.socket shop.service", "start shop.socket"]
    host.ends()
    assert host.unit(socket()) == []


@pytest.mark.trust("8", "killed-deploy-restarts-sockets")
def test_what_was_restarted_before_the_run_died_is_not_restarted_again(host: Host) -> None:
    host.unit(socket())
    host.ends()
    host.begin("unit file shop.socket")
    assert host.unit(socket("b", changed=True))
    host.begin("link /srv/shop/current")
    host.dies()
    assert host.unit(socket("b")) == []
    host.dies()
    assert host.unit(socket("b")) == []


def test_what_two_dead_runs_have_told_units_is_known(host: Host) -> None:
    host.unit(socket())
    host.ends()
    host.begin("unit file shop.socket")
    host.unit(socket("b", changed=True))
    host.ledger.made("path", "/etc/one")
    host.dies()
    host.begin("file /etc/other")
    host.dies()
    assert host.unit(socket("b")) == []
    assert "path /etc/one" in host.ledger.data["made"]


def test_the_record_of_a_dead_run_of_an_earlier_prov_counts_as_before(host: Host) -> None:
    """It did not write down what it had begun."""
    host.unit(socket())
    host.ends()
    host.begin("tree /srv/shop/releases/2")
    path = next(Path(host.home).glob("runs/*/run.json"))
    about = json.loads(path.read_text())
    del about["stepwise"]
    path.write_text(json.dumps(about))
    host.dies()
    assert host.unit(socket())


def test_a_run_without_room_for_its_record_may_have_changed_anything(host: Host) -> None:
    host.unit(socket())
    host.ends()
    host.begin("file /etc/other")
    Path(host.home, "runs/1/kept.incomplete").touch()
    host.dies()
    assert host.unit(socket())


def test_a_ledger_that_could_not_be_saved_is_taken_from_the_run(host: Host) -> None:
    host.begin("unit file shop.socket")
    host.ledger.made("path", "/etc/one")
    assert host.ledger.record is not None
    host.ledger.record.end(None, ended="1", changed=[], failed=[], saved=False)
    host.dies()
    assert "path /etc/one" in host.ledger.data["made"]


def test_a_step_that_failed_half_way_may_have_changed_what_it_is_about(agents: Agents, root: Path) -> None:
    with agents.session() as session, pytest.raises(StepFailed):
        session.submit(Command(["false"], reason="a test")).wait()
    assert owed(agents, "command false")
    assert not owed(agents, "command true")


def steps_of(agents: Agents, id: int) -> list[str]:
    with agents.session(plan=True) as session:
        found = json.loads(session.submit(History(id)).wait().stdout)["steps"]
    return [each["step"] for each in found]


def test_the_history_of_a_dead_run_has_what_it_did_and_not_what_it_began(agents: Agents, root: Path) -> None:
    session = agents.start()
    session.submit(File(f"{root}/a", "a")).wait()
    session.submit(Command(["sleep", "3"], reason="a test"))
    wait_for(lambda: owed(agents, "command sleep 3"))
    agents.channels[-1].kill()
    session.abandon()
    assert steps_of(agents, 1) == [f"file {root}/a"]
