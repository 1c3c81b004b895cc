"""The result of a deploy, as tests read it: the fixture `deployed`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from provision.controller.events import Event, StepDone
from provision.values import dataclass


@dataclass(frozen=True)
class DeployedStep:
    """A step of the deploy. state: ok, changed, failed or skipped.  why: for steps that did nothing."""

    role: str
    name: str
    state: str
    why: str = ""
    where: str = ""


class Deployed(Mapping[str, DeployedStep]):
    """The steps of the first deploy by name, as `prov deploy` shows them: `deployed["package nginx"].state`.

    Of several steps with one name, it is the last one that changed something.
    """

    def __init__(self, steps: Iterable[DeployedStep]) -> None:
        self.steps = tuple(steps)
        self._by_name = {step.name: step for step in self.steps}
        self._by_name.update((step.name, step) for step in self.steps if step.state == "changed")

    @classmethod
    def of(cls, events: Iterable[Event]) -> Deployed:
        """Build it from the events of a run."""
        done = [e for e in events if isinstance(e, StepDone)]
        return cls(DeployedStep(e.role, e.step, e.state, e.why, e.where) for e in done)

    @classmethod
    def from_json(cls, values: Iterable[dict[str, Any]]) -> Deployed:
        """Build it from the output of `as_json`."""
        return cls(DeployedStep(**value) for value in values)

    def as_json(self) -> list[dict[str, Any]]:
        """Return JSON values, for another process."""
        return [asdict(step) for step in self.steps]

    @property
    def changed(self) -> list[str]:
        """The names of the steps that changed something, in order."""
        return [step.name for step in self.steps if step.state == "changed"]

    def __getitem__(self, name: str) -> DeployedStep:
        __tracebackhide__ = True  # makes pytest show the test's own line
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(f"no step {name!r} was deployed; there are: {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)
