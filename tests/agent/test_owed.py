"""A restart that is owed can't be lost (decision D5): the logic of `Service`, with units that are only a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.errors import StepError
from provision.steps.base import Change, Diff, Ref
from provision.steps.services import Service
from provision.steps.support.restoring import paid
from provision.system.host_files import Stat
from provision.system.memory.ledger import Ledger
from provision.system.unit_state import UnitState

RUNNING = UnitState("loaded", "active", "running", "enabled", invocation="1")


class Units:
    """nginx.service, as systemd would have it."""

    def __init__(self, state: UnitState = RUNNING) -> None:
        self.now = state
        self.done: list[str] = []

    def state(self, name: str) -> UnitState:
        assert name == "nginx.service"
        return self.now

    def do(self, verb: str, *names: str, timeout: float = 100) -> None:
        self.done.append(verb)
        if verb in ("start", "restart", "reload-or-restart"):
            self.now = self.now._replace(active="active", sub="running")
        if verb == "stop":
            self.now = self.now._replace(active="inactive", sub="dead")
        if verb in ("enable", "disable"):
            self.now = self.now._replace(enabled=verb + "d")

    def reload_manager(self) -> None:
        self.done.append("daemon-reload")
        self.now = self.now._replace(stale=False)

    def forget(self) -> None:
        """Nothing is kept."""

    def journal(self, name: str, lines: int = 15) -> str:
        return "bind() failed"


class Files:
    """None of those that units look at."""

    def stat(self, path: str) -> None:
        """Nothing is there."""

    def end(self, path: str) -> Stat:
        """But for what masks hide."""
        return Stat("file", 0o644, 0, 0, 1)


class Host:
    """A host on which runs follow one another; its ledger is a real one."""

    planned = False

    def __init__(self, home: Path) -> None:
        self.home = str(home)
        self.units = Units()
        self.files = Files()
        self.broken = False
        self.ledger = Ledger(self.home)

    def judge(self, argv: Any, doing: str, hint: str) -> str:
        if self.broken:
            raise StepError(f"{doing} failed", hint=hint)
        return ""

    def run(self, service: Service, *, dies: bool = False) -> Diff:
        """One run with this one step, after something else has changed. dies: before it came to the step."""
        self.units.done.clear()
        ledger = self.ledger = Ledger(self.home)
        ledger.lock()
        changed = [r.label for r in (*service.reload_on, *service.restart_on) if r.changed]
        for label in changed:
            ledger.begin().step_begins(label)
        if dies:
            ledger.unlock()
            return Diff.none("died")
        failed = []
        diff = Diff.none("failed")
        try:
            diff = service.check(self)  # type: ignore[arg-type]
            if diff:
                ledger.begin()
                service.apply(self, diff)  # type: ignore[arg-type]
        except StepError:
            failed.append("service nginx")
        if changed or diff or failed:
            ledger.begin().end(None, ended="2", changed=changed, failed=failed)
        ledger.save()
        ledger.unlock()
        return diff


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "ledger")


def conf(fingerprint: str, changed: bool = False) -> Ref:
    return Ref(1, "file /etc/nginx/nginx.conf", changed, fingerprint)


def nginx(*refs: Ref, **options: Any) -> Service:
    return Service("nginx", reload_on=refs, **options)


def test_a_change_in_this_run_is_paid_at_once(host: Host) -> None:
    host.run(nginx(conf("a")))
    diff = host.run(nginx(conf("b", changed=True)))
    assert [c.what for c in diff.changes] == ["reload"]
    assert "file /etc/nginx/nginx.conf" in diff.changes[0].after
    assert host.units.done == ["reload-or-restart"]
    assert not host.run(nginx(conf("b")))


def test_a_run_that_died_after_the_file_and_before_the_reload(host: Host) -> None:
    host.run(nginx(conf("a")))
    host.run(nginx(conf("b", changed=True)), dies=True)
    assert host.run(nginx(conf("b")))
    assert host.units.done == ["reload-or-restart"]
    assert not host.run(nginx(conf("b")))


def test_the_first_run_of_all_that_died_there(host: Host) -> None:
    """The unit was started by its package, so nothing is remembered of it."""
    host.run(nginx(conf("b", changed=True)), dies=True)
    assert host.run(nginx(conf("b")))
    assert host.units.done == ["reload-or-restart"]
    assert not host.run(nginx(conf("b")))


def test_a_failed_check_of_the_configuration_postpones_it(host: Host) -> None:
    host.run(nginx(conf("a")))
    host.broken = True
    host.run(nginx(conf("b", changed=True), check_with=["nginx", "-t"]))
    assert host.units.done == []
    host.broken = False
    assert host.run(nginx(conf("b"), check_with=["nginx", "-t"]))
    assert host.units.done == ["reload-or-restart"]


def test_a_failed_check_in_the_first_run_of_all(host: Host) -> None:
    host.broken = True
    host.run(nginx(conf("b", changed=True), check_with=["nginx", "-t"]))
    host.broken = False
    assert host.run(nginx(conf("b"), check_with=["nginx", "-t"]))


def test_what_was_changed_back_is_told(host: Host) -> None:
    """Whoever edited it by hand may have reloaded the unit, too: it runs with unknown contents."""
    host.run(nginx(conf("a")))
    assert host.run(nginx(conf("a", changed=True)))
    assert host.units.done == ["reload-or-restart"]
    assert not host.run(nginx(conf("a")))


def test_a_run_that_changed_it_back_and_died_before_the_reload(host: Host) -> None:
    host.run(nginx(conf("a")))
    host.run(nginx(conf("a", changed=True)), dies=True)
    diff = host.run(nginx(conf("a")))
    assert diff.changes[0].after.startswith("running with the configuration of 20")
    assert host.units.done == ["reload-or-restart"]
    assert not host.run(nginx(conf("a")))


def test_within_a_run_a_unit_is_told_once(host: Host) -> None:
    changed = conf("b", changed=True)
    host.run(nginx(conf("a")))
    host.run(nginx(changed))
    assert not nginx(changed).check(host)  # type: ignore[arg-type]
    other = Ref(2, "file /etc/nginx/more.conf", True, "m")
    (change,) = nginx(changed, other).check(host).changes  # type: ignore[arg-type]
    assert (
        change.after == "running with the configuration of this run; changed since: file /etc/nginx/more.conf"
    )


def test_a_unit_that_ran_before_prov_came_is_left_alone(host: Host) -> None:
    diff = host.run(nginx(conf("a")))
    assert not diff
    assert diff.why == "is running, enabled"
    assert host.run(nginx(conf("b")))


def test_a_start_takes_in_everything(host: Host) -> None:
    host.units.now = RUNNING._replace(active="inactive", sub="dead")
    host.run(nginx(conf("a", changed=True)))
    assert host.units.done == ["start"]
    assert not host.run(nginx(conf("a")))


def test_a_restart_covers_a_reload(host: Host) -> None:
    unit, site = Ref(1, "unit file nginx.service", False, "u"), conf("a")
    host.run(Service("nginx", reload_on=[site], restart_on=[unit]))
    unit, site = Ref(1, "unit file nginx.service", True, "v"), conf("b", changed=True)
    host.run(Service("nginx", reload_on=[site], restart_on=[unit]))
    assert host.units.done == ["restart"]
    assert not host.run(Service("nginx", reload_on=[conf("b")], restart_on=[Ref(1, unit.label, False, "v")]))


def test_two_roles_with_one_unit_owe_each_other_nothing(host: Host) -> None:
    mine = Ref(1, "file /etc/nginx/mine.conf", False, "m")

    def both(*, theirs: Ref) -> list[bool]:
        host.ledger = Ledger(host.home)
        found = []
        for service in (nginx(theirs), nginx(mine)):
            diff = service.check(host)  # type: ignore[arg-type]
            found.append(bool(diff))
            if diff:
                host.ledger.lock()
                host.ledger.begin()
                service.apply(host, diff)  # type: ignore[arg-type]
                host.ledger.begin().end(None, ended="2", changed=[], failed=[])
                host.ledger.unlock()
        host.ledger.save()
        return found

    host.run(nginx(conf("a")))
    both(theirs=conf("a"))
    assert both(theirs=conf("a")) == [False, False]
    both(theirs=conf("b", changed=True))
    assert both(theirs=conf("b")) == [False, False]


@pytest.mark.parametrize("told", [True, False])
def test_an_undo_that_has_reloaded_a_unit_leaves_nothing_owed(host: Host, told: bool) -> None:
    host.run(nginx(conf("a", changed=True)))
    former = Ledger(host.home).unit("nginx.service")
    host.run(nginx(conf("b", changed=True)))
    undo = Ledger(host.home)
    undo.lock()
    undo.begin()
    undo.set_unit("nginx.service", paid(undo, former) if told else former)
    undo.begin().end(None, ended="3", changed=["undo"], failed=[])
    undo.save()
    undo.unlock()
    assert bool(host.run(nginx(conf("a")))) is not told


def test_another_input_is_a_change(host: Host) -> None:
    host.run(nginx(conf("a")))
    assert host.run(nginx(conf("a"), Ref(2, "file /etc/nginx/more.conf", False, "m")))


def test_a_stale_unit_file_is_read_and_the_unit_restarted(host: Host) -> None:
    host.run(nginx(conf("a")))
    host.units.now = RUNNING._replace(stale=True)
    diff = host.run(nginx(conf("a")))
    assert diff.changes == [Change("restart", "", "its unit file changed on disk")]
    assert host.units.done == ["daemon-reload", "restart"]


def test_a_unit_that_starts_and_dies(host: Host) -> None:
    host.units.now = RUNNING._replace(active="inactive")
    service = nginx(conf("a"))
    diff = service.check(host)  # type: ignore[arg-type]
    host.units.do = lambda verb, *names, timeout=100: setattr(  # type: ignore[method-assign]
        host.units, "now", RUNNING._replace(active="failed", sub="failed", result="exit-code")
    )
    with pytest.raises(StepError, match=r"started and died \(exit-code\)") as raised:
        service.apply(host, diff)  # type: ignore[arg-type]
    assert raised.value.stderr == "bind() failed"
    assert host.ledger.unit("nginx.service") == {}, "it does not count as started with these"


@pytest.mark.parametrize(
    ("state", "wanted", "done"),
    [
        (RUNNING, {"running": False, "enabled": False}, ["disable", "stop"]),
        (RUNNING._replace(enabled="disabled"), {}, ["enable"]),
        (RUNNING._replace(enabled="static"), {}, []),
        (RUNNING._replace(active="inactive"), {"running": None}, []),
        (
            RUNNING._replace(load="masked", active="inactive", enabled="masked"),
            {},
            ["unmask", "enable", "start"],
        ),
        (UnitState(), {"running": False, "enabled": False}, []),
    ],
)
def test_states(host: Host, state: UnitState, wanted: dict[str, Any], done: list[str]) -> None:
    host.units.now = state
    host.run(Service("nginx", **wanted))
    assert host.units.done == done


def test_there_is_no_such_unit(host: Host) -> None:
    host.units.now = UnitState()
    with pytest.raises(StepError, match="the host has no unit nginx") as raised:
        Service("nginx").check(host)  # type: ignore[arg-type]
    assert "Install the package" in raised.value.hint
