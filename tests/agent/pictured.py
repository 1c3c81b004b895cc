"""A host whose files are real, below a folder, and whose units are only a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from provision.errors import StepError
from provision.steps.base import Diff, Step
from provision.system.host import System
from provision.system.memory.ledger import Ledger
from provision.system.memory.run_journal import Journal
from provision.system.source import Source
from provision.system.unit_state import UnitState

RUNNING = UnitState("loaded", "active", "running", "enabled")


class Controller:
    """Nobody is at the other end."""

    def fetch(self, source: Source, request: bytes = b"") -> Iterator[bytes]:
        assert source.open is not None
        with source.open(request) as f:
            yield f.read()

    def note(self, text: str) -> None:
        """Show it to no one."""

    def progress(self, text: str) -> None:
        """Nobody reads it."""


class Units:
    """Units as systemd has them. What they are told is written down, with what is there then.

    watched: name -> path.  fails: the unit that can't do what it is told.
    """

    def __init__(self, watched: dict[str, Path], states: dict[str, UnitState]) -> None:
        self.watched = watched
        self.states = states
        self.done: list[str] = []
        self.fails = ""
        self.record: Journal | None = None

    def state(self, name: str) -> UnitState:
        return self.states.get(name, UnitState())

    def expect(self, names: object) -> None:
        """All are at hand."""

    def instances(self, template: str) -> dict[str, UnitState]:
        return {}

    def do(self, verb: str, *names: str, timeout: float = 100) -> None:
        for name in names:
            if self.record is not None:
                self.record.unit(verb, name, self.state(name))
            there = [what for what, path in self.watched.items() if path.exists()]
            self.done.append(f"{verb} {name}, with {' '.join(there)}")
            if name == self.fails:
                raise StepError(f"{verb} {name} failed")
            if verb == "stop":
                self.states[name] = self.states[name]._replace(active="inactive")
                if any(self.states[each].running for each in self.states[name].triggered_by):
                    # the next request
                    self.states[name] = self.states[name]._replace(active="active")
            if verb in ("start", "restart"):
                self.states[name] = self.states[name]._replace(active="active")
            if verb in ("enable", "disable"):
                self.states[name] = self.states[name]._replace(enabled=verb + "d")

    def turned(self, name: str, *rest: object) -> None:
        """Stand for front_reload.await_turn, and write down that a front was waited for."""
        self.done.append(f"awaited {name}")

    def journal(self, name: str, lines: int = 40) -> str:
        return ""

    def file_changed(self) -> None:
        self.done.append("daemon-reload")

    def forget(self) -> None:
        """Nothing is kept."""

    def settle(self) -> None:
        """It has."""

    def words(self) -> list[str]:
        """What was done, without what was there then."""
        return [word.split(",")[0] for word in self.done if word != "daemon-reload"]


class Host(System):
    """The real files below a folder, and units that are only a picture."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Controller(), {}, Ledger(str(folder / "ledger")))  # type: ignore[arg-type]
        self.deadline = 1e12

    def run_step(self, step: Step) -> Diff:
        diff = step.check(self)
        if diff:
            self.ledger.maker = ("", step.label())
            self.begin()
            step.apply(self, diff)
            self.ledger.settle()
        return diff

    def ends(self) -> None:
        """The run ends; the next one begins."""
        self.ledger.save()
        record = self.ledger.record
        if record is not None:
            record.end(None, ended="1", changed=[], failed=[], saved=True)
        self.ledger = Ledger(self.ledger.home)
        self.files.record = self.units.record = None
        self.files.looked = set()
