"""A user exchanges names in their folders while root works there: nothing of root's gets out, or changes."""

from __future__ import annotations

import dataclasses
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_sessions import Agents, private_etc
from raced_steps import ELSEWHERE, RACED, REFUSED, contents, kinds
from racing import CANARY, USER, Scene, racing

from provision.controller.outcome import Outcome
from provision.steps.base import Step
from provision.steps.files import Directory, File
from provision.steps.prune import Prune
from provision.steps.tree import Tree
from provision.steps.undo import Undo
from provision.system import guard_watch
from provision.system.source import Source

pytestmark = pytest.mark.trust("4", "racing-user")

#: how often each is tried: `RACES=1000` is what a proof takes
TRIES = int(os.environ.get("RACES", "30"))


@pytest.fixture
def scene(root: Path, tmp_path: Path) -> Scene:
    found = Scene(root, contents(tmp_path))
    found.build()
    return found


@pytest.fixture
def wrap(scene: Scene, tmp_path: Path) -> Callable[[str], list[str]]:
    """Has agents see the user's home in the scene."""
    upper = tmp_path / "upper"
    (upper / "etc").mkdir(parents=True)
    lines = Path("/etc/passwd").read_text().splitlines(keepends=True)
    mine = f"{USER}:x:{scene.uid}:{scene.gid}::{scene.way}:/bin/sh\n"
    text = "".join(mine if line.startswith(f"{USER}:") else line for line in lines)
    (upper / "etc/passwd").write_text(text)
    return private_etc(upper)


def words(outcome: Outcome) -> str:
    """All that a step says."""
    error = outcome.error
    said = "" if error is None else f"{error.message}{error.stdout}{error.stderr}{error.hint}"
    return f"{said}{outcome.why}{list(outcome.diff)}{outcome.stdout}{outcome.stderr}"


@pytest.mark.parametrize("kind", RACED, ids=lambda kind: kind.__name__)
def test_a_step_in_a_folder_of_a_racing_user(
    kind: type[Step], agents: Agents, scene: Scene, wrap: Callable[[str], list[str]], tmp_path: Path
) -> None:
    before, states = scene.locked(), set()
    steps = [dataclasses.replace(s, ignore_errors="a race") for s in RACED[kind](str(scene.way), tmp_path)]
    with agents.session(plan=True, wrap=wrap) as plan, agents.session(wrap=wrap) as deploy:
        for _ in range(TRIES):
            scene.build()
            with scene.race():
                time.sleep(random.random() / 1000)
                for session in (plan, deploy):
                    for step in steps:
                        outcome = session.submit(step)
                        states.add(outcome.state)
                        assert CANARY not in words(outcome)
            assert scene.won() == []
            assert scene.locked() == before
    assert states <= {"ok", "changed", "failed", "maybe", "skipped"}


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("plan", [True, False])
def test_a_step_whose_programs_follow_names_is_refused(
    kind: type[Step],
    plan: bool,
    agents: Agents,
    scene: Scene,
    wrap: Callable[[str], list[str]],
    tmp_path: Path,
) -> None:
    with agents.session(plan=plan, wrap=wrap) as session:
        for step in REFUSED[kind](str(scene.way), tmp_path):
            outcome = session.submit(dataclasses.replace(step, ignore_errors="to be seen"))
            assert outcome.state == "failed"
            assert outcome.error is not None
            assert "other users can change" in outcome.error.message
            assert "as_user" in outcome.error.hint


def test_every_kind_of_step_is_raced_or_says_why_not() -> None:
    """A new step that takes a path belongs into RACED or REFUSED of raced_steps.py."""
    elsewhere = [name for names in ELSEWHERE.values() for name in names]
    known = [*(kind.__name__ for kind in (*RACED, *REFUSED)), *elsewhere]
    assert {kind.__name__ for kind in kinds()} == set(known)
    assert not {kind.__name__ for kind in (*RACED, *REFUSED)} & set(elsewhere)


# -- what goes by records: undo, prune, the guard


def made(scene: Scene) -> list[Step]:
    """Steps that change, make and remove something in the user's folders."""
    entries = [(name, 0o644, Source.of(b"made"), "") for name in ("conf", "x/conf")]
    return [
        File(f"{scene.way}/conf", "made", owner=USER, mode=0o644),
        File(f"{scene.way}/sub/new", "made", owner=USER, mode=0o644),
        Directory(f"{scene.way}/releases/one", mode=0o700),
        Tree(f"{scene.way}/releases/two", entries, owner=USER),
        File(f"{scene.way}/.ssh/authorized_keys", "made", owner=USER, mode=0o600),
    ]


@pytest.mark.parametrize("last", [Undo, Prune], ids=lambda kind: kind.__name__)
def test_what_is_taken_back_from_a_racing_user(
    last: type[Step], agents: Agents, scene: Scene, wrap: Callable[[str], list[str]]
) -> None:
    before = scene.locked()
    for _ in range(max(3, TRIES // 6)):
        scene.build()
        with agents.session(wrap=wrap) as session:
            for step in made(scene):
                assert session.submit(step).changed
        for plan in (True, False):
            with agents.session(plan=plan, wrap=wrap) as session, scene.race():
                assert CANARY not in words(session.submit(last(ignore_errors="a race")))
        assert scene.won() == []
        assert scene.locked() == before


@pytest.mark.trust("4", "guard-restores-through-links")
def test_the_guard_puts_back_to_a_racing_user(scene: Scene, tmp_path: Path) -> None:
    before = scene.locked()
    folder = tmp_path / "guard"
    ssh = scene.way / ".ssh"
    for _ in range(TRIES):
        scene.build()
        folder.mkdir(mode=0o700, exist_ok=True)
        paths = [scene.way, ssh, ssh / "authorized_keys"]
        files = [guard_watch.look(str(folder), str(path), str(n)) for n, path in enumerate(paths)]
        guard_watch.save(str(folder), "former.json", {"files": files, "commands": []})
        pairs = [(ssh, scene.vault), (ssh / "authorized_keys", scene.vault / "only")]
        with racing(pairs, scene.uid, scene.gid):
            time.sleep(random.random() / 1000)
            guard_watch.restore(str(folder))
        assert scene.won() == []
        assert scene.locked() == before
