"""What several hosts have in common, said once: identical steps with the hosts that have them, the odd one last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import field

from provision.controller.events import StepDone
from provision.values import dataclass

#: names of hosts in one line
MOST = 12
#: hosts that are named as those which lack something, instead of all that have it
FEW = 3

#: role, step, and the occurrence index of that step name on its host
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Shared:
    """A step as some hosts have it, and no others do. first: the way in which most hosts have that step."""

    step: StepDone
    hosts: str
    first: bool


def same_in_plan(step: StepDone) -> Hashable:
    """Equal for steps of which a report says the same."""
    return step.state, step.why, tuple(step.diff), step.ignored


@dataclass
class SharedSteps:
    """Gathers steps until the run has ended. same: what two hosts' steps must share to be shown as one."""

    same: Callable[[StepDone], Hashable] = same_in_plan
    _found: dict[str, dict[Key, StepDone]] = field(default_factory=dict)
    _seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def take(self, step: StepDone) -> None:
        """Take in a step that is worth telling."""
        name = (step.host, step.role, step.step)
        self._found.setdefault(step.host, {})[step.role, step.step, self._seen[name]] = step
        self._seen[name] += 1

    def shared(self, hosts: Sequence[str]) -> Iterator[Shared]:
        """All steps in the order in which they ran, each way in which it is found once: what most hosts have
        first, then what fewer have.

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
    """One order for the steps of all hosts: what only some have comes after what it came after there."""
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
