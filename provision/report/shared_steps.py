"""Show once what several hosts have in common: identical steps with their hosts, the exception last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import field

from provision.controller.events import StepDone
from provision.values import dataclass

#: names of hosts in one line
MOST = 12
#: largest number of hosts named as exceptions ("all but web7") instead of naming the rest
FEW = 3

#: role, step, and the occurrence index of that step name on its host
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Shared:
    """One variant of a step, and the hosts that have it. first: the variant of most hosts."""

    step: StepDone
    hosts: str
    first: bool


def same_in_plan(step: StepDone) -> Hashable:
    """Return a key, equal for steps that a report shows in the same way."""
    return step.state, step.why, tuple(step.diff), step.ignored


@dataclass
class SharedSteps:
    """Gathers steps until the run ends. same: what two hosts' steps must share to be shown as one."""

    same: Callable[[StepDone], Hashable] = same_in_plan
    _found: dict[str, dict[Key, StepDone]] = field(default_factory=dict)
    _seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def take(self, step: StepDone) -> None:
        """Add a step that is to be shown."""
        name = (step.host, step.role, step.step)
        self._found.setdefault(step.host, {})[step.role, step.step, self._seen[name]] = step
        self._seen[name] += 1

    def shared(self, hosts: Sequence[str]) -> Iterator[Shared]:
        """Return all steps in the order in which they ran, each variant once: that of most hosts first.

        hosts: of the whole run, in the inventory's order.
        """
        for key in merged([list(self._found.get(host, ())) for host in hosts]):
            ways: dict[Hashable, list[StepDone]] = {}
            for host in hosts:
                step = self._found.get(host, {}).get(key)
                if step is not None:
                    ways.setdefault(self.same(step), []).append(step)
            for index, steps in enumerate(sorted(ways.values(), key=len, reverse=True)):
                yield Shared(steps[0], whom([s.host for s in steps], hosts), index == 0)


def merged(sequences: Sequence[Sequence[Key]]) -> list[Key]:
    """Return one order for the steps of all hosts: a step that only some have keeps its predecessor."""
    order: list[Key] = []
    for sequence in sequences:
        at = {key: index for index, key in enumerate(order)}
        position = next((at[key] for key in sequence if key in at), len(order))
        for key in sequence:
            if key in at:
                position = max(position, at[key] + 1)
            else:
                order.insert(position, key)
                at = {key: index for index, key in enumerate(order)}
                position += 1
    return order


def whom(names: Sequence[str], of: Sequence[str]) -> str:
    """Hosts in words: "all 30 hosts", "29 of 30 hosts, all but web7", "web1, web2 (2 of 30)", "only web7"."""
    if len(of) == 1:
        return names[0]
    if len(names) == len(of):
        return f"all {len(of)} hosts"
    if len(names) == 1:
        return f"only {names[0]}"
    others = [name for name in of if name not in names]
    if len(others) <= FEW < len(names):
        return f"{len(names)} of {len(of)} hosts, all but {', '.join(others)}"
    shown = ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
    return f"{shown} ({len(names)} of {len(of)})"
