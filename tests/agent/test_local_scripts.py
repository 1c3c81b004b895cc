"""What roles send from this machine: scripts of their files/ folder, and requirements."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from agent_sessions import Agents

from provision.controller.outcome import Outcome
from provision.controller.session import Session
from provision.errors import ConfigError
from provision.roles.role_host import Host
from provision.steps import python, script
from provision.steps.base import Step


class Role:
    """Stands for a host in a role whose folder this is."""

    def __init__(self, folder: Path, session: Session) -> None:
        self.folder = folder
        self.session = session

    def submit(self, step: Step) -> Outcome:
        return self.session.submit(step)

    def role_file(self, kind: str, name: str) -> Path:
        return self.folder / kind / name


def test_a_local_script_runs_with_its_arguments(
    agents: Agents, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])  # places are told as seen from there
    (root / "files").mkdir()
    (root / "files/index.py").write_text("#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:])\n")
    with agents.session() as session:
        c = cast(Host, Role(root, session))
        done = script.local(c, "index.py", arguments=["--all", "a b"], reason="a test")
        assert (done.label, done.stdout) == ("script index.py --all 'a b'", "['--all', 'a b']\n")
        assert done.where.startswith("tests/agent/test_local_scripts.py:")
        with pytest.raises(ConfigError, match=r"there is no local file .*/files/none"):
            script.local(c, "none", reason="a test")


def test_requirements_of_a_local_file(agents: Agents, root: Path) -> None:
    (root / "files").mkdir()
    (root / "files/pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["flask"]\n')
    with agents.session() as session:
        c: Any = Role(root, session)
        assert python.requirements(c, "pyproject.toml") == "flask\n"
        with pytest.raises(ConfigError) as raised:
            python.requirements(c, "requirements.txt")
        assert raised.value.where == f"{root}/files/requirements.txt"


def test_an_interpreter_is_asked_for_by_a_version_that_there_can_be() -> None:
    with pytest.raises(ConfigError, match=r"'3\.12\.1' needs an archive"):
        python.interpreter(cast(Host, None), "3.12.1")
    with pytest.raises(ConfigError, match=r"must be whole, such as 3\.12\.7"):
        python.interpreter(cast(Host, None), "3.12", archive="/srv/x.tar", sha256="0" * 64)
