"""A canary in every field of every step that takes a Secret: it is in no answer, record, event or argument."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import threading
import time
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from agent_sessions import Agents
from guarded import arguments

import provision.steps
from provision.controller.session import Session
from provision.errors import ConfigError
from provision.inventory.kinds import Kind
from provision.secrets import Secret
from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.configuration import Configuration
from provision.steps.credentials import Credential
from provision.steps.cron import Job
from provision.steps.debconf import Answers
from provision.steps.fetch import Download, Unpack
from provision.steps.files import File
from provision.steps.passwords import PasswordFile
from provision.steps.pending_migrations import PendingMigrations
from provision.steps.postgres import DatabaseRole
from provision.steps.postgres_passwords import MadePassword
from provision.steps.python import Venv
from provision.steps.redis_passwords import RedisPassword
from provision.steps.script import Script
from provision.steps.service_environment import EnvironmentFile
from provision.steps.ssh import ClientDropIn, SshdDropIn
from provision.steps.support.execution import Execution
from provision.steps.support.user_processes import UserProcess
from provision.steps.text import IniValue
from provision.steps.unit_files import DropIn, Unit
from provision.steps.user_units import UserUnit
from provision.steps.users import User
from provision.system.source import Source

CANARY = "c4n4ryQz7x"
DIGEST = "0" * 64
NOWHERE = "https://127.0.0.1:9/x"
REASON: dict[str, Any] = {"reason": "a test"}
SHOWS = ["sh", "-c", 'echo "$A"; cat; echo "$A" >&2; sleep 0.3; exit 3']
Make = Callable[[str, Secret], Step]
#: class and field -> how a step gets it; the first argument is a folder
STEPS: dict[str, Make] = {
    "Command.environment": lambda at, s: Command(SHOWS, environment={"A": s}, **REASON),
    "Command.stdin": lambda at, s: Command(SHOWS, stdin=s, **REASON),
    "Command.credentials": lambda at, s: Command(
        ["sh", "-c", 'cat "$CREDENTIALS_DIRECTORY/A"; exit 3'], credentials={"A": s}, **REASON
    ),
    "PendingMigrations.environment": lambda at, s: PendingMigrations(
        f"{at}/h", "r", [], SHOWS, environment={"A": s}
    ),
    "PendingMigrations.credentials": lambda at, s: PendingMigrations(
        f"{at}/h", "r", [], ["sh", "-c", 'cat "$CREDENTIALS_DIRECTORY/A" >&2; exit 3'], credentials={"A": s}
    ),
    "Credential.content": lambda at, s: Credential(f"{at}/c", "c", s),
    "Script.credentials": lambda at, s: Script(
        '#!/bin/sh\ncat "$CREDENTIALS_DIRECTORY/A"; exit 3\n', credentials={"A": s}, **REASON
    ),
    "Script.environment": lambda at, s: Script(
        '#!/bin/sh\necho "$A"; exit 3\n', environment={"A": s}, **REASON
    ),
    "Script.stdin": lambda at, s: Script("#!/bin/sh\ncat; exit 3\n", stdin=s, **REASON),
    "Configuration.files": lambda at, s: Configuration(at, {"a": s}, ["sh", "-c", "cat a; exit 1"]),
    "Job.environment": lambda at, s: Job("c4n", "@daily", ["true"], environment={"A": s}),
    "Answers.answers": lambda at, s: Answers("x", {"x/y": ("string", s)}),
    "Download.headers": lambda at, s: Download(NOWHERE, f"{at}/d", DIGEST, headers={"A": s}, attempts=1),
    "Unpack.headers": lambda at, s: Unpack(NOWHERE, f"{at}/u", DIGEST, headers={"A": s}, attempts=1),
    "File.content": lambda at, s: File(f"{at}/f", s, validate_with=["sh", "-c", "cat $0; exit 1", "%s"]),
    "EnvironmentFile.content": lambda at, s: EnvironmentFile(
        f"{at}/e", Secret('A="' + s.reveal() + '"'), validate_with=["sh", "-c", "cat $0; exit 1", "%s"]
    ),
    "PasswordFile.marks": lambda at, s: PasswordFile(
        f"{at}/p", {"a": s}, Source.made_by("c", lambda r: b"{}")
    ),
    "MadePassword.held": lambda at, s: MadePassword("x", [s]),
    "RedisPassword.held": lambda at, s: RedisPassword(f"{at}/acl", "root", [s]),
    "DatabaseRole.password": lambda at, s: DatabaseRole("x", password=s),
    "Venv.environment": lambda at, s: Venv(f"{at}/v", python="/none", environment={"PIP_INDEX_URL": s}),
    "SshdDropIn.content": lambda at, s: SshdDropIn("x", s),
    "ClientDropIn.content": lambda at, s: ClientDropIn("x", s),
    "IniValue.value": lambda at, s: IniValue(f"{at}/i", "a", "b", s, create=True),
    "Unit.content": lambda at, s: Unit("c4n.service", s),
    "DropIn.content": lambda at, s: DropIn("c4n.service", "x", s),
    "UserUnit.content": lambda at, s: UserUnit("nobody", "c4n.service", s),
    "User.password": lambda at, s: User("c4n", password=s),
}
#: those that may act on this machine: all that they write is below the folder
HARMLESS = (
    "Command",
    "Script",
    "File",
    "IniValue",
    "Download",
    "Unpack",
    "PasswordFile",
    "Venv",
    "EnvironmentFile",
    "PendingMigrations",
)


def taking_secrets() -> Iterator[str]:
    """The fields of steps whose types admit a Secret."""
    for each in pkgutil.walk_packages(provision.steps.__path__, "provision.steps."):
        module = importlib.import_module(each.name)
        for cls in vars(module).values():
            if inspect.isclass(cls) and issubclass(cls, Step) and cls.__module__ == module.__name__:
                for field in fields(cls):
                    if (
                        cls not in (Execution, UserProcess)
                        and Kind(resolved(cls, field.name, field.type)).secret
                    ):
                        yield f"{cls.__name__}.{field.name}"


def resolved(cls: type, name: str, annotation: Any) -> Any:
    """The type of a field, also of one that is written in quotes."""
    if not isinstance(annotation, str):
        return annotation
    owner = next(c for c in cls.__mro__ if name in inspect.get_annotations(c))
    return eval(annotation, {**vars(typing), **vars(sys.modules[owner.__module__])})


def test_every_field_has_a_step_here() -> None:
    assert set(taking_secrets()) == set(STEPS)


class Watch:
    """Looks at every process again and again. arguments, environments: of those that had the canary in them."""

    def __init__(self) -> None:
        self.arguments: set[bytes] = set()
        self.environments: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            self.arguments.update(line for line in arguments() if CANARY.encode() in line)
            for path in Path("/proc").glob("[0-9]*/environ"):
                try:
                    if CANARY.encode() in path.read_bytes():
                        self.environments.add((path.parent / "comm").read_text().strip())
                except OSError:
                    continue


def submitted(session: Session, name: str, at: Path) -> str:
    """Send a step that may fail; everything said about it."""
    step = STEPS[name](str(at), Secret(CANARY))
    object.__setattr__(step, "ignore_errors", "a test")
    told = repr(step) + step.label()
    try:
        outcome = session.submit(step)
    except ConfigError as error:
        return told + repr(vars(error)) + str(error)
    return told + repr(outcome.wait().answer) + repr(outcome.error and vars(outcome.error)) + outcome.label


@pytest.mark.trust("6", "canaries")
def test_no_canary_is_told_planned_or_recorded(agents: Agents, root: Path) -> None:
    told: dict[str, str] = {}
    with Watch() as watch:
        with agents.session(plan=True) as session:
            told.update({f"plan {name}": submitted(session, name, root) for name in STEPS})
        with agents.session() as session:
            for name in STEPS:
                if name.startswith(HARMLESS):
                    told[name] = submitted(session, name, root)
        time.sleep(0.05)
    told["events"] = repr(agents.events)
    for path in agents.ledger.rglob("*"):
        if path.is_file() and "kept" not in path.parts:
            told[str(path)] = path.read_bytes().decode(errors="replace")
    for path in root.rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o044:
            told[str(path)] = path.read_bytes().decode(errors="replace")
    assert [what for what, text in told.items() if "c4n4ry" in text] == []
    assert watch.arguments == set()
    # the one process that is given it, and its children; pip has the login of an index by its environment
    # (for a moment of execve(2), a process has its new environment and still the name of the agent)
    given = {"sh", "script", "cat", "sleep", "python", Path(sys.executable).name}
    assert watch.environments <= given, "Command.environment, Script.environment and Venv.environment"


@pytest.mark.trust("6", "validation-errors-quote-secrets")
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("spoilt", [f"{CANARY}\n\0", f" {CANARY}\n", f"{CANARY}'\"", f"{CANARY}:x"], ids=repr)
def test_no_refusal_quotes_a_canary(agents: Agents, root: Path, name: str, spoilt: str) -> None:
    session = agents.start(plan=True)
    step = STEPS[name](str(root), Secret(spoilt))
    object.__setattr__(step, "ignore_errors", "a test")
    try:
        told = repr(session.submit(step).wait().answer)
    except ConfigError as error:
        told = repr(vars(error)) + str(error)
    session.finish()
    assert "c4n4ry" not in told
