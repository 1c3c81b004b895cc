"""An undo under traffic: what was there runs and is well before the front turns to it; what is new ends last."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pictured import RUNNING, Host, Units

from provision.errors import StepError
from provision.steps.base import Ref
from provision.steps.services import Service
from provision.steps.tree import Tree
from provision.steps.undo import Undo
from provision.system import front_reload
from provision.system.source import Source
from provision.system.unit_state import UnitState

OLD, NEW = "app-shop@old", "app-shop@new"
STOPPED = UnitState("loaded", "inactive", "dead", "disabled")


class Machine:
    """A deploy has turned the front from one instance of an application to another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site, self.current = folder / "site.conf", folder / "current"
        self.release = {name: folder / "releases" / name for name in ("old", "new")}
        watched = {
            "old site": self.site,
            "old": self.release["old"] / "bin",
            "new": self.release["new"] / "bin",
        }
        units = {f"{name}.{kind}": STOPPED for name in (OLD, NEW) for kind in ("socket", "service")}
        self.host = Host(folder)
        self.units = Units(watched, {"nginx.service": RUNNING, **units})
        self.host.units = self.units  # type: ignore[assignment]
        self.unit = {name: folder / f"{name}.service" for name in (OLD, NEW)}
        for name in (OLD, NEW):
            self.units.states[f"{name}.service"] = STOPPED._replace(fragment=str(self.unit[name]))
            listens = (str(folder / f"{name}.sock"),)
            self.units.states[f"{name}.socket"] = STOPPED._replace(listens=listens)
        self.deploy("old")
        self.deploy("new", OLD)
        self.units.done.clear()

    def write(self, path: Path, text: str) -> None:
        self.host.ledger.maker = ("web", f"file {path}")
        for parent in (path.parent.parent, path.parent):
            if not parent.exists():
                self.host.files.stat(str(parent))
                self.host.files.mkdir(str(parent), 0o755, 0, 0)
        self.host.files.stat(str(path))
        self.host.files.write(str(path), text.encode(), 0o755, 0, 0)

    def deploy(self, which: str, before: str = "") -> None:
        name = f"app-shop@{which}"
        self.host.begin()
        at = self.release[which]
        entries = [(name, 0o755, Source.of("#!/bin/sh"), "") for name in ("bin", "code.py")]
        self.host.files.stat(str(at.parent))
        if not at.parent.exists():
            self.host.files.mkdir(str(at.parent), 0o755, 0, 0)
        self.host.run_step(Tree(str(at), entries))
        text = f"X-Prov-Health=https://shop.test/ok\nWorkingDirectory={self.folder}/releases/%i\nExecStart={self.folder}/releases/%i/bin\n"
        self.write(self.unit[name], text)
        self.units.do("enable", f"{name}.socket", f"{name}.service")
        self.units.do("start", f"{name}.socket", f"{name}.service")
        self.write(self.site, which)
        self.host.run_step(
            Service("nginx", reload_on=[Ref(1, f"file {self.site}", True, which)], renews=True)
        )
        self.host.files.link(str(self.current), f"releases/{which}")
        if before:
            self.units.do("disable", f"{before}.socket", f"{before}.service")
            self.units.do("stop", f"{before}.socket", f"{before}.service")
            self.host.files.remove(str(self.unit[before]))
        self.host.ends()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setattr(front_reload, "await_turn", machine.units.turned)
    return machine


@pytest.fixture
def answers(machine: Machine) -> Iterator[list[bytes]]:
    """The old instance, which answers what the list says; takes the requests."""
    said = [b"200 OK"]
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(machine.folder / f"{OLD}.sock"))
        server.listen()

        def serve() -> None:
            while True:
                try:
                    taken, _ = server.accept()
                except OSError:
                    return
                with taken:
                    asked.append(taken.recv(4096))
                    machine.units.done.append("asked")
                    taken.sendall(b"HTTP/1.1 " + said[0] + b"\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield said
        server.shutdown(socket.SHUT_RDWR)
    assert all(b"Host: shop.test" in request and b"X-Forwarded-Proto: https" in request for request in asked)


@pytest.mark.trust("9", "undo-under-traffic")
def test_the_new_instance_ends_after_the_front_has_turned(machine: Machine, answers: list[bytes]) -> None:
    machine.host.run_step(Undo())
    order = machine.units.words()
    assert order[:8] == [
        f"enable {OLD}.socket",
        f"start {OLD}.socket",
        f"enable {OLD}.service",
        f"start {OLD}.service",
        "asked",
        "reload-or-restart nginx.service",
        "awaited nginx.service",
        f"disable {NEW}.socket",
    ]
    assert order[8:] == [f"disable {NEW}.service", f"stop {NEW}.socket", f"stop {NEW}.service"]
    assert all("new" in word for word in machine.units.done if word.startswith("stop")), "its files go last"
    assert machine.site.read_text() == "old"
    assert not machine.release["new"].exists()
    assert machine.current.readlink() == Path("releases/old")


@pytest.mark.trust("9", "prune-breaks-undo")
def test_an_instance_that_is_not_well_gets_no_requests(
    machine: Machine, answers: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers[0] = b"500 Broken"
    monkeypatch.setattr("provision.steps.support.restoring.WITHIN", 0.2)
    with pytest.raises(StepError, match="500"):
        machine.host.run_step(Undo())
    assert machine.site.read_text() == "new", "the front has not turned"
    assert not [word for word in machine.units.words() if word.startswith(("reload", "stop"))]


@pytest.mark.trust("9", "prune-breaks-undo")
@pytest.mark.parametrize("gone", ["the release", "its program", "its code"])
def test_an_undo_to_a_release_that_is_gone_is_refused_before_it_begins(machine: Machine, gone: str) -> None:
    program = machine.release["old"] / "bin"
    (program.parent / "code.py" if gone == "its code" else program).unlink()
    if gone == "the release":
        (program.parent / "code.py").unlink()
    if gone == "the release":
        program.parent.rmdir()
    before = machine.site.read_text()
    with pytest.raises(StepError, match=r"as what would run again is gone: .*releases/old") as raised:
        Undo().check(machine.host)
    assert "prov deploy" in raised.value.hint
    assert machine.units.done == []
    assert machine.site.read_text() == before
