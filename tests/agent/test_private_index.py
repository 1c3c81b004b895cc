"""A package from an index that wants a login, installed by the real pip: the login is left nowhere."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from agent_sessions import Agents
from guarded import guarded, shopdep

from provision.apps.indexes import requirements_with
from provision.apps.settings import Index
from provision.secrets import Secret
from provision.steps.base import Change
from provision.steps.python import Venv

WORD = "k3gb@Qz1!x"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """The folder of an index that has one package."""
    shopdep(tmp_path / "index")
    return tmp_path / "index"


@pytest.mark.trust("6", "private-index")
@pytest.mark.parametrize("place", ["inventory", "variable"])
def test_pip_logs_in_and_tells_nobody(
    agents: Agents, root: Path, index: Path, tmp_path: Path, place: str
) -> None:
    with guarded(index, {"build": WORD}) as (address, seen):
        url = f"http://{address}/simple"
        indexes: tuple[Index, ...] = (Index(url=url, username="build", password=Secret(WORD), default=True),)
        text = "shopdep\n"
        if place == "variable":
            indexes, text = (), f"--index-url http://build:${{WORD}}@{address}/simple\nshopdep\n"
        wanted = requirements_with(text, indexes, {"WORD": Secret(WORD)}, where="requirements.txt")
        venv = Venv(f"{root}/venv", requirements=wanted.text, environment=wanted.environment, installer="pip")
        answers = []
        for plan in (True, False, False):
            with agents.session(plan=plan) as session:
                outcome = session.submit(venv)
                answers.append(outcome.wait().answer)
        wrong = {"PIP_INDEX_URL": Secret(url.replace("://", "://build:wr0ng-w0rd@"))}
        with agents.session() as session:
            bad = Venv(f"{root}/bad", requirements="shopdep\n", environment=wrong, ignore_errors="a test")
            answers.append(session.submit(bad).wait().answer)
    assert [a.state for a in answers] == ["changed", "changed", "ok", "failed"]
    assert Change("index", "", url) in answers[0].diff
    records = "".join(
        p.read_text() for p in agents.ledger.rglob("*") if p.is_file() and "kept" not in p.parts
    )
    told = records + repr(answers) + repr(agents.events)
    kept = b"".join(p.read_bytes() for p in readable(root))
    for secret in (WORD, "k3gb%40Qz1!x", "k3gb", "wr0ng-w0rd"):
        assert secret not in told and secret.encode() not in kept
        assert not any(secret.encode() in line for line in seen if b"pytest" not in line)
    assert seen


def readable(folder: Path) -> list[Path]:
    """The files below a folder that everyone may read."""
    return [p for p in folder.rglob("*") if p.is_file() and p.stat().st_mode & stat.S_IROTH]
