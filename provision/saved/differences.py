"""What has changed since a plan was saved, item by item, to explain a refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher

import provision
from provision.errors import ConfigError, ConfigErrors
from provision.saved.plan_file import PlannedHost, PlannedStep, SavedPlan

STALE = "Nothing was changed. Save the plan again, look at it, and deploy that."
#: largest number of listed differences; one changed variable may change every step
MOST = 20


def check_configuration(
    plan: SavedPlan, variables: Mapping[str, Mapping[str, str]], code: Mapping[str, str]
) -> None:
    """Raise ConfigErrors if the inventory or the roles differ from those of the plan. Needs no host."""
    found = []
    if plan.prov != provision.__version__:
        found.append(f"the plan was made by prov {plan.prov}, and this is {provision.__version__}")
    found += [f"{name}: new in the inventory" for name in variables if name not in plan.hosts]
    for name, host in plan.hosts.items():
        if name not in variables:
            found.append(f"{name}: TARGET no longer matches this host")
        else:
            found += [f"{name}: {text}" for text in values(host.variables, variables[name])]
    found += [f"{what} {file}" for file, what in files(plan.code, code)]
    refuse(found)


def check_hosts(
    plan: SavedPlan, now: Mapping[str, PlannedHost], secrets: Mapping[str, Sequence[str]]
) -> None:
    """Raise ConfigErrors if planning again gave a different plan."""
    found = [
        f"{name}: {text}" for name, host in now.items() for text in steps(plan.hosts[name].steps, host.steps)
    ]
    if not plan.seal.fits(secrets):
        found.append("a secret has changed")
    refuse(found)


def refuse(found: Sequence[str]) -> None:
    """Raise ConfigErrors if anything differs."""
    if not found:
        return
    messages = [f"changed since the plan was saved: {text}" for text in found[:MOST]]
    if len(found) > MOST:
        messages.append(f"and {len(found) - MOST} more differences")
    raise ConfigErrors([ConfigError(text, hint=STALE) for text in messages])


def values(planned: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables that differ."""
    for path in sorted({*planned, *now}):
        before, after = planned.get(path), now.get(path)
        if before != after:
            yield f"{path}: planned with {before or 'nothing'}, now {after or 'nothing'}"


def files(planned: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the files that differ, and how."""
    for name in sorted({*planned, *now}):
        if planned.get(name) != now.get(name):
            yield name, "edited:" if name in planned and name in now else "new:" if name in now else "gone:"


def steps(planned: Sequence[PlannedStep], now: Sequence[PlannedStep]) -> Iterator[str]:
    """Yield the steps that differ: what was planned and what would be done now."""
    before, after = ([(s.role, s.step) for s in each] for each in (planned, now))
    for op, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if op == "equal":
            pairs = zip(planned[i:j], now[k:m], strict=True)
            yield from (text for a, b in pairs if (text := difference(a, b)))
        else:
            yield from (f"{named(s)}: planned: {would(s)}; now the step is gone" for s in planned[i:j])
            yield from (f"{named(s)}: not in the plan; now: {would(s)}" for s in now[k:m])


def difference(planned: PlannedStep, now: PlannedStep) -> str:
    """Return how two plans of a step differ; "" if they do not."""
    same = (planned.state, planned.digest, planned.diff) == (now.state, now.digest, now.diff)
    if same and planned.wanted == now.wanted:
        return ""
    if same:
        return f"{named(now)}: its arguments have changed"
    before, after = would(planned), would(now)
    return f"{named(now)}: planned: {before}; now: {after if after != before else after + ', but otherwise'}"


def named(step: PlannedStep) -> str:
    """Return the step's name, as in reports."""
    return f"{step.role}: {step.step}" if step.role else step.step


def would(step: PlannedStep) -> str:
    """Return in a few words what a step would do."""
    if step.state == "changed":
        return f"change {', '.join(unique(change.what for change in step.diff))}"
    return {"ok": "nothing", "maybe": "may change"}.get(step.state, step.state)


def unique(words: Iterable[str]) -> list[str]:
    """Return the words without repetition."""
    return list(dict.fromkeys(words))
