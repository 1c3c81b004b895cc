"""Trees of 1,100 folders in each other: removed, or refused with the reason; never an exception of Python's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_sessions import Agents

from provision.controller.outcome import StepFailed
from provision.steps.base import Step
from provision.steps.files import Absent
from provision.steps.permissions import Permissions
from provision.steps.tree import Tree
from provision.steps.undo import Undo
from provision.system import descriptors
from provision.system.memory.past_runs import Runs
from provision.system.source import Source

pytestmark = pytest.mark.trust("7", "deep-folders")

LEVELS = 1100


@pytest.fixture
def deep(root: Path) -> Iterator[Path]:
    """A folder with folders in folders, longer than any path may be, and a file and a link at the bottom."""
    top = root / "deep"
    top.mkdir()
    (root / "outside").write_text("stays")
    fd = os.open(top, os.O_RDONLY)
    for level in range(LEVELS):
        name = f"level-{level}"
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.symlink(root, "link", dir_fd=fd)
    os.close(fd)
    yield top
    if top.exists():
        at = os.open(root, os.O_RDONLY)
        descriptors.remove_at(at, "deep", "/deep")
        os.close(at)


def test_it_is_removed(agents: Agents, root: Path, deep: Path) -> None:
    with agents.session(plan=True) as session:
        assert session.submit(Absent(str(deep))).changed
    assert deep.exists()
    with agents.session() as session:
        assert session.submit(Absent(str(deep))).changed
        assert session.submit(Absent(str(deep))).state == "ok"
    assert sorted(path.name for path in root.iterdir()) == ["outside"]
    with agents.session(plan=True) as session:
        undone = session.submit(Undo()).wait()
    assert "too deep to keep" in undone.why
    assert Runs(str(agents.ledger)).read(1)["state"] == "done"


def test_many_branches_are_removed(root: Path, deep: Path) -> None:
    for name in ("a", "b"):
        (deep / "level-0" / name).mkdir()
        (deep / "level-0" / name / "x").write_text("x")
    at = os.open(root, os.O_RDONLY)
    descriptors.remove_at(at, "deep", "/deep")
    os.close(at)
    assert sorted(path.name for path in root.iterdir()) == ["outside"]


WALKS: dict[str, Callable[[str], Step]] = {
    "permissions": lambda path: Permissions(path, files=0o640),
    "tree with excludes": lambda path: Tree(
        path, [("a", 0o644, Source.of("a"), "")], delete=True, exclude=["*.log"]
    ),
}


@pytest.mark.parametrize("make", WALKS.values(), ids=WALKS.keys())
@pytest.mark.parametrize("plan", [True, False])
def test_walks_end_with_the_reason(
    agents: Agents, deep: Path, make: Callable[[str], Step], plan: bool
) -> None:
    with agents.session(plan=plan) as session:
        with pytest.raises(StepFailed, match="more than 128 folders deep") as raised:
            session.submit(make(str(deep))).wait()
        assert "at fault" not in raised.value.message
        assert len(raised.value.message) < 300
        assert raised.value.hint


def test_a_tree_without_excludes_takes_it_away(agents: Agents, deep: Path) -> None:
    tree = Tree(str(deep), [("a", 0o644, Source.of("a"), "")], delete=True)
    with agents.session() as session:
        assert session.submit(tree).changed
        assert session.submit(tree).state == "ok"
    assert [path.name for path in deep.iterdir()] == ["a"]
