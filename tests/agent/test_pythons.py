"""The agent and all steps under every Python from 3.8 on that this machine has, and what older ones lack.

Real interpreters are found in PATH and with pyenv: CI names them in the tests' ids. Where there is but one, the
grammar of 3.8, and a list of when each name of the standard library came, stand in for the others.
"""

from __future__ import annotations

import ast
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from agent_sessions import Agents
from case_helpers import step_classes, with_sources
from test_cases import CASES, ON_LAB_HOSTS, PRIVATE_ETC, fill, submit
from trees import build, contents, expected

import provision.agent
import provision.steps
import provision.system

REPOSITORY = Path(provision.steps.__file__).parent.parent.parent
OLDEST = (3, 8)
KINDS = step_classes()


def interpreters() -> dict[str, str]:
    """Version -> path: of the interpreter that runs this, those of pyenv and those in PATH."""
    folders = [*Path("~/.pyenv/versions").expanduser().glob("*/bin")]
    folders += [Path(entry) for entry in os.environ.get("PATH", "").split(":") if entry]
    candidates = [
        at for folder in folders for at in sorted(folder.glob("python3*")) if at.name[7:].strip(".").isdigit()
    ]
    found = {}
    for at in [*candidates, Path(sys.executable)]:
        asked = "import sys; print(*sys.version_info[:2])"
        done = subprocess.run([at, "-Ic", asked], capture_output=True, text=True, timeout=20, check=False)
        version = tuple(map(int, done.stdout.split())) if done.returncode == 0 else ()
        if version >= OLDEST:
            found[".".join(map(str, version))] = str(at)
    return found


INTERPRETERS = interpreters()
#: what travels to hosts
SHIPPED = [
    *sorted(
        path
        for room in ("agent", "steps", "system")
        for path in (REPOSITORY / "provision" / room).rglob("*.py")
    ),
    *(REPOSITORY / "provision" / name for name in ("errors.py", "secrets.py")),
    *(REPOSITORY / "provision" / "bundles").glob("*_program.py"),
]
each = pytest.mark.parametrize("version", sorted(INTERPRETERS))


def core_cases() -> list[Path]:
    """Cases of kinds that need no root, no packages and no /etc of their own, and that come to a good end."""
    found = []
    for kind in sorted(set(KINDS) - ON_LAB_HOSTS - PRIVATE_ETC - {"venv", "url", "port"}):
        for path in sorted((CASES / kind).glob("*.yaml")):
            text = path.read_text(encoding="utf-8")
            data = yaml.safe_load(text)
            ours = not re.search(r"made:|owner|group:|user:|timeout|prepare|drift|\$(?!T\b)[A-Z]", text)
            if ours and data.get("state") in ("changed", "ok") and ("after" in data or "has" in data):
                found.append(path)
    return found


def test_the_interpreter_that_runs_this_is_among_them() -> None:
    assert ".".join(map(str, sys.version_info[:2])) in INTERPRETERS


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_what_is_shipped_is_written_in_the_language_of_the_oldest(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST)


def test_what_is_shipped_asks_nothing_newer_of_the_standard_library() -> None:
    """By vermin, which knows when each name came; "# novm" is where the version is asked first."""
    argv = [str(Path(sys.executable).with_name("vermin")), "-t=3.8-", "--no-tips", "--violations"]
    done = subprocess.run(
        [*argv, *map(str, SHIPPED)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each
def test_all_modules_that_are_shipped_can_be_imported(version: str) -> None:
    names = [
        module.name
        for package in (provision.agent, provision.steps, provision.system)
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    ]
    assert "provision.steps.files" in names
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\nimport {', '.join(names)}"
    # -S: not even what the interpreter's site-packages have.  -B: root leaves no bytecode in another user's checkout
    subprocess.run([INTERPRETERS[version], "-BISc", code], check=True, timeout=60)


@each
def test_core_cases(version: str, agents: Agents, tmp_path: Path) -> None:
    """All of them by one agent that plans, one that applies and one that has nothing left to do."""
    cases = core_cases()
    assert len(cases) >= 30
    steps: list[tuple[Path, Path, dict[str, Any]]] = []
    for path in cases:
        root = tmp_path / path.parent.name / path.stem
        root.mkdir(mode=0o755, parents=True)
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        build(root, fill(data.get("before", {}), {"$T": str(root)}))
        steps.append((path, root, data))
    for plan, states in ((True, None), (False, None), (False, "ok")):
        with agents.session(plan=plan, interpreter=INTERPRETERS[version]) as session:
            assert session.facts.python.startswith(version + ".")
            for path, root, data in steps:
                values = fill(data["step"], {"$T": str(root)})
                step = KINDS[path.parent.name](**{k: with_sources(v) for k, v in values.items()})
                outcome = submit(session, step)
                assert outcome.state == (states or data["state"]), (path, outcome.error)
                if not plan and "after" in data:
                    wanted = expected(fill(data["after"], {"$T": str(root)}))
                    assert contents(root) == wanted, path
