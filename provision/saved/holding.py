"""Record a plan while it is made, and hold a deploy to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from provision.agent.protocol import Submission
from provision.agent.secret_masks import Masks
from provision.controller.outcome import Outcome
from provision.declared.role_folders import BUILTIN
from provision.inventory import InventoryHost
from provision.roles.project import Assignment
from provision.roles.shown_variables import shown_vars
from provision.saved.plan_file import PlannedHost, PlannedStep, SavedPlan
from provision.secrets import MASK


class Recorder:
    """Records every step that is sent to these hosts, to be read once the plan has ended."""

    def __init__(self, assignments: Sequence[Assignment]) -> None:
        self._hosts = {a.host.name: a.host for a in assignments}
        self._sent: dict[str, list[tuple[Outcome, str]]] = {name: [] for name in self._hosts}
        self._secrets = {a.host.name: list(a.secrets) for a in assignments}

    def __call__(self, host: str, outcome: Outcome, message: Submission, learnt: bool) -> Submission:
        """Record a step; called by the host's own thread."""
        notes = getattr(type(outcome.step), "NOTES", ())
        fields = {name: value for name, value in message.fields.items() if name not in notes}
        fields = without_secrets(fields, self._secrets[host], Masks(message.hide))
        self._secrets[host] += message.hide
        wanted = {"kind": message.kind, "deadline": message.deadline, "fields": fields}
        if message.ignore:
            wanted["ignore"] = message.ignore
        digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        self._sent[host].append((outcome, digest))
        return message

    @property
    def secrets(self) -> dict[str, list[str]]:
        """Return the secrets of every host: those of its variables, then those of its steps."""
        return self._secrets

    def unplanned(self) -> list[str]:
        """Return the hosts that could not be planned because they have no python3."""
        return [name for name, sent in self._sent.items() if not sent]

    def hosts(self) -> dict[str, PlannedHost]:
        """Return the recorded plan."""
        return {
            name: PlannedHost(
                variables=variables_of(self._hosts[name]),
                steps=tuple(planned_step(outcome, wanted) for outcome, wanted in sent),
            )
            for name, sent in self._sent.items()
        }


def planned_step(outcome: Outcome, wanted: str) -> PlannedStep:
    """Return a step of the finished plan."""
    answer = outcome.answer
    return PlannedStep(
        role=outcome.role,
        step=outcome.label,
        state=answer.state,
        why=answer.why,
        diff=tuple(answer.diff),
        where=outcome.where,
        line=outcome.line,
        ignored=answer.ignored,
        app=outcome.about.app,
        part=outcome.about.part,
        wanted=wanted,
        digest=answer.digest,
    )


def without_secrets(value: Any, found: list[str], masks: Masks | None = None) -> Any:
    """Return a step's fields, as in messages, with secrets masked; the secrets are added to found.

    masks: secrets that occur in the fields as plain text, or in contents.
    """
    if isinstance(value, str):
        return masks.hide(value) if masks else value
    if isinstance(value, list):
        return [without_secrets(part, found, masks) for part in value]
    if isinstance(value, dict):
        if "$secret" in value:
            found.append(value["$secret"])
            return MASK
        if "$source" in value and (value["$source"][3] or masks):
            # a short secret could be guessed from the hash of contents that hold it
            found.append(value["$source"][1])
            return MASK
        return {key: without_secrets(part, found, masks) for key, part in value.items()}
    return value


def variables_of(host: InventoryHost) -> dict[str, str]:
    """Return the host's variables without secrets, each value by its path."""
    return dict(leaves(shown_vars(host), ()))


def leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """("apps.shop.front", '"apache"') for every value that is not a container."""
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    if not parts or not value:
        yield ".".join(path), json.dumps(value)
    for key, part in parts:
        yield from leaves(part, (*path, str(key)))


def code_of(assignments: Sequence[Assignment]) -> dict[str, str]:
    """Return the sha256 of each file of the roles that run and of the project's steps, by names that are the
    same on every machine."""
    folders = {folder for a in assignments for role, _ in a.roles for folder in role.folders}
    own = Path.cwd() / "steps"
    found = {}
    for folder in sorted({*folders, own} if own.is_dir() else folders):
        title = "built-in role " if folder.parent.resolve() == BUILTIN else "" if folder == own else "roles/"
        found.update({f"{title}{folder.name}/{name}": digest for name, digest in hashed(folder).items()})
    return found


def hashed(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file below a folder, by relative path; compiled Python is left out."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }


class PlannedOnly:
    """Holds a deploy to a plan: each step is sent with its planned changes, and the host compares.

    A step that was `maybe` may change anything. A step that the plan lacks must find nothing to do, unless
    its role has read the outcome of an earlier step, which no plan can predict.
    """

    def __init__(self, plan: SavedPlan) -> None:
        self._left: dict[str, dict[tuple[str, str], list[PlannedStep]]] = {}
        for name, host in plan.hosts.items():
            steps = self._left.setdefault(name, {})
            for step in host.steps:
                steps.setdefault((step.role, step.step), []).append(step)

    def __call__(self, host: str, outcome: Outcome, message: Submission, learnt: bool) -> Submission:
        """Add the planned changes to a step's message; called by the host's own thread."""
        same = self._left[host].get((outcome.role, outcome.label))
        if same:
            step = same.pop(0)
            return message if step.state in ("maybe", "failed") else message.replace(planned=step.digest)
        return message if learnt else message.replace(planned="")
