"""What goes is taken away from the outside in (decision D16): front, sockets, services, files; what fails is owed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pictured import RUNNING, Host, Units

from provision.agent.secret_masks import Masks
from provision.agent.step_runner import Runner
from provision.errors import StepError
from provision.steps import prune as pruning
from provision.steps import unit_files
from provision.steps.base import Diff, Ref
from provision.steps.prune import Prune
from provision.steps.services import Service
from provision.system import front_reload
from provision.system.memory.ledger import Ledger
from provision.system.memory.undeclared import undeclared

SOCKET, SERVICE = "app-old@1.socket", "app-old@1.service"


class Machine:
    def __init__(self, folder: Path) -> None:
        self.site, self.conf = folder / "sites/old.conf", folder / "nginx.conf"
        self.socket, self.service = folder / "units" / SOCKET, folder / "units" / SERVICE
        self.code = folder / "srv/old/app.py"
        watched = {"site": self.site, "socket": self.socket, "service": self.service, "code": self.code}
        self.host = Host(folder)
        self.units = Units(
            watched,
            {"nginx.service": RUNNING, SOCKET: RUNNING, SERVICE: RUNNING._replace(triggered_by=(SOCKET,))},
        )
        self.host.units = self.units  # type: ignore[assignment]
        self.host.ledger.maker = ("web", "a role")
        self.host.begin()
        for path in watched.values():
            for each in (path.parent.parent, path.parent):
                if not each.exists():
                    each.mkdir()
            self.host.files.stat(str(path))
            self.host.ledger.maker = ("web", f"file {path}")
            self.host.files.write(str(path), b"x", 0o644, 0, 0)
        self.host.run_step(self.nginx(Ref(1, f"file {self.site}", True, "a")))
        self.host.ends()
        self.units.done.clear()

    def nginx(self, *conf: Ref) -> Service:
        return Service(
            "nginx", reload_on=conf or [Ref(1, "file /etc/nginx/nginx.conf", False, "a")], renews=True
        )

    def deploy(self) -> Diff:
        """A run in which the application is declared no more."""
        return self.host.run_step(Service("nginx", renews=True))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for module in (pruning, unit_files):
        monkeypatch.setattr(module, "UNIT_FOLDER", str(tmp_path / "units"))
    machine = Machine(tmp_path)
    monkeypatch.setattr(front_reload, "await_turn", machine.units.turned)
    return machine


@pytest.mark.trust("9", "removed-app")
def test_the_front_goes_first_then_sockets_then_services_then_files(machine: Machine) -> None:
    diff = machine.host.run_step(Prune())
    assert [word for word in machine.units.done if word != "daemon-reload"] == [
        "reload-or-restart nginx.service, with socket service code",
        "awaited nginx.service",
        f"stop {SOCKET}, with socket service code",
        f"stop {SERVICE}, with socket service code",
        f"disable {SOCKET}, with socket service code",
        f"disable {SERVICE}, with service code",
    ]
    shown = [" ".join(filter(None, change[:3])) for change in diff.changes]
    parts = ("old.conf", "unit nginx", "running " + SOCKET, "running " + SERVICE, "app.py")
    order = [next(i for i, line in enumerate(shown) if part in line) for part in parts]
    assert order == sorted(order), shown
    assert not machine.code.exists()
    machine.host.ends()
    assert not machine.deploy(), "nothing is owed"
    assert not machine.host.run_step(Prune())


@pytest.mark.trust("9", "removed-app")
@pytest.mark.parametrize("payer", ["deploy", "prune"])
def test_a_reload_that_fails_stops_nothing_and_is_owed(machine: Machine, payer: str) -> None:
    machine.units.fails = "nginx.service"
    with pytest.raises(StepError):
        machine.host.run_step(Prune())
    assert machine.units.done == ["reload-or-restart nginx.service, with socket service code"]
    machine.host.ends()
    machine.units.fails = ""
    machine.units.done.clear()
    (change,) = (machine.deploy() if payer == "deploy" else machine.host.run_step(Prune())).changes[:1]
    assert machine.units.done[0].startswith("reload-or-restart nginx.service")
    assert machine.units.done[1] == "awaited nginx.service"
    assert payer == "prune" or str(machine.site) in change.after
    machine.host.ends()
    assert not machine.deploy()


def test_a_reload_that_a_dead_prune_owed_is_paid(machine: Machine) -> None:
    machine.units.fails = "nginx.service"
    with pytest.raises(StepError):
        machine.host.run_step(Prune())
    # killed: nothing is saved
    machine.host.ledger = Ledger(machine.host.ledger.home)
    machine.units.fails = ""
    assert machine.deploy()


@pytest.mark.trust("9", "removed-app")
def test_a_service_that_comes_back_keeps_its_files(machine: Machine) -> None:
    machine.units.states[SERVICE] = machine.units.states[SERVICE]._replace(triggered_by=())
    machine.units.states[SOCKET] = machine.units.states[SOCKET]._replace(active="inactive")
    real = machine.units.do

    def do(verb: str, *names: str, timeout: float = 100) -> None:
        real(verb, *names)
        if verb == "stop":
            machine.units.states[SERVICE] = machine.units.states[SERVICE]._replace(active="active")

    machine.units.do = do  # type: ignore[method-assign]
    with pytest.raises(StepError, match="started again after it was stopped"):
        machine.host.run_step(Prune())
    assert machine.service.exists()
    assert machine.code.exists()


def test_a_run_that_was_not_whole_prunes_nothing(machine: Machine) -> None:
    machine.host.unsettled.append("command false")
    with pytest.raises(StepError, match="nothing was pruned, as not every step was done: command false"):
        Prune().check(machine.host)


def test_a_unit_file_that_goes_takes_its_socket_out_of_the_way_first(machine: Machine) -> None:
    machine.host.run_step(unit_files.NoUnit(SERVICE))
    stops = [word.split(",")[0] for word in machine.units.done if word.startswith("stop")]
    assert stops == [f"stop {SOCKET}", f"stop {SERVICE}"]
    assert machine.socket.exists()


def test_what_was_declared_before_a_reboot_is_declared_after_it(machine: Machine) -> None:
    """The agent after the boot knows it, or a prune would take it away."""
    for path in (machine.site, machine.socket, machine.service, machine.code):
        machine.host.files.stat(str(path))
    machine.host.ledger.maker = ("", "reboot")
    machine.host.begin()
    machine.host.unsettled.append("command false")
    before = Runner(machine.host, threading.Event(), Masks())._reboot()
    after = Host(machine.site.parent.parent)
    after.ledger = Ledger(machine.host.ledger.home)
    Runner(after, threading.Event(), Masks()).resume(before)
    assert undeclared(after) == []
    assert after.unsettled == ["command false"]
