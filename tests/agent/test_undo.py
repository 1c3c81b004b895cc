"""Runs taken back, on real files: whatever a step does to them, undo leaves them as they were before, byte for byte."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_sessions import Agents, private_etc
from trees import photograph

from provision.controller.outcome import Outcome, StepFailed
from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.files import Absent, Directory, File, Link
from provision.steps.groups import Group
from provision.steps.history import History
from provision.steps.text import Line
from provision.steps.tree import Tree
from provision.steps.undo import THIS, Undo
from provision.steps.users import NoUser, User
from provision.system.memory.past_runs import Runs
from provision.system.source import Source


class Machine:
    """Runs one after the other on the same tree."""

    def __init__(self, agents: Agents, root: Path, **options: Any) -> None:
        self.agents = agents
        self.root = root
        self.options = options

    def run(self, *steps: Step, plan: bool = False) -> list[Outcome]:
        """One run of these steps; the last may fail."""
        with self.agents.session(plan=plan, **self.options) as session:
            found = [session.submit(step) for step in steps]
            try:
                found[-1].wait()
            except StepFailed:
                assert found[-1].state == "failed"
            return found

    def undo(self, run: int = 0) -> Outcome:
        """Plan to undo, compare, and undo."""
        before = photograph(self.root)
        (planned,) = self.run(Undo(run), plan=True)
        assert photograph(self.root) == before, "a plan has written something"
        (real,) = self.run(Undo(run))
        shown = planned.error or (planned.state, planned.why, planned.diff)
        assert str(shown) == str(real.error or (real.state, real.why, real.diff)), "a plan is exact"
        return real

    def history(self, run: int = 0) -> dict[str, Any]:
        """What the host tells of its runs."""
        (told,) = self.run(History(run), plan=True)
        found: dict[str, Any] = json.loads(told.stdout)
        return found


def state(root: Path) -> dict[str, Any]:
    """The tree without its times."""
    found: dict[str, Any] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        st = path.lstat()
        what: Any = (
            str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else "dir"
        )
        attributes = {name: os.getxattr(path, name) for name in os.listxattr(path, follow_symlinks=False)}
        found[str(path.relative_to(root))] = (st.st_mode, st.st_uid, st.st_gid, what, attributes)
    return found


@pytest.fixture
def machine(agents: Agents, root: Path) -> Machine:
    (root / "conf").write_text("old\n")
    (root / "conf").chmod(0o640)
    (root / "link").symlink_to("conf")
    (root / "full").mkdir(mode=0o750)
    (root / "full/a").write_text("a\n")
    (root / "full/inner").mkdir()
    (root / "full/inner/b").write_bytes(b"\0\xff")
    (root / "full/inner/c").symlink_to("b")
    os.chown(root / "full/a", 65534, 65534)
    return Machine(agents, root)


def entries(**contents: str) -> list[Any]:
    return [(name.replace("_", "/"), 0o644, Source.of(text), "") for name, text in contents.items()]


CHANGES: dict[str, Callable[[str], list[Step]]] = {
    "contents": lambda t: [File(f"{t}/conf", "new\n")],
    "mode and owner": lambda t: [File(f"{t}/conf", "old\n", mode=0o600, owner="daemon", group="daemon")],
    "twice in a run": lambda t: [
        File(f"{t}/conf", "one\n"),
        Line(f"{t}/conf", "two"),
        File(f"{t}/conf", "3"),
    ],
    "new file": lambda t: [File(f"{t}/new", "x\n")],
    "new folders": lambda t: [Directory(f"{t}/d"), Directory(f"{t}/d/e"), File(f"{t}/d/e/f", "x\n")],
    "folder's mode": lambda t: [Directory(f"{t}/full", mode=0o700, owner="daemon")],
    "link turned": lambda t: [Link(f"{t}/link", target="full")],
    "link for a file": lambda t: [Absent(f"{t}/conf"), Link(f"{t}/conf", target="full/a")],
    "file for a link": lambda t: [File(f"{t}/link", "a file\n")],
    "file removed": lambda t: [Absent(f"{t}/conf")],
    "link removed": lambda t: [Absent(f"{t}/link")],
    "folder removed": lambda t: [Absent(f"{t}/full")],
    "folder removed, a file there": lambda t: [Absent(f"{t}/full"), File(f"{t}/full", "x")],
    "file removed, a folder there": lambda t: [Absent(f"{t}/conf"), Directory(f"{t}/conf")],
    "tree": lambda t: [Tree(f"{t}/tree", entries(a="a", b_c="c", b_d_e="e"))],
    "tree in place": lambda t: [Tree(f"{t}/full", entries(a="new", x_y="y"))],
    "made and removed": lambda t: [File(f"{t}/new", "x\n"), Absent(f"{t}/new")],
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_is_put_back(machine: Machine, name: str) -> None:
    before = state(machine.root)
    machine.run(*CHANGES[name](str(machine.root)))
    after = state(machine.root)
    undone = machine.undo()
    assert state(machine.root) == before
    assert undone.changed == (after != before), (undone.why, undone.error)
    assert "all is as it was" in machine.undo(1).why
    if after != before:
        # an undo is a run as well
        assert machine.undo(2).changed
        assert state(machine.root) == after


def test_the_last_run_is_not_undone_twice(machine: Machine) -> None:
    for text in ("1\n", "2\n"):
        machine.run(File(f"{machine.root}/conf", text))
    assert machine.undo().why.startswith("run 2")
    assert machine.undo().why.startswith("run 1")
    assert (machine.root / "conf").read_text() == "old\n"
    assert "no run to be undone" in str(machine.undo().error)
    told = {run["id"]: (run.get("undone"), run.get("undoes")) for run in machine.history()["runs"]}
    assert told == {1: (4, None), 2: (3, None), 3: (None, 2), 4: (None, 1)}


def test_what_was_changed_since_is_named_and_nothing_touched(machine: Machine) -> None:
    root = machine.root
    machine.run(File(f"{root}/conf", "new\n"), File(f"{root}/new", "x\n"), Directory(f"{root}/d"))
    machine.run(File(f"{root}/conf", "newer\n"))
    (root / "new").write_text("by hand\n")
    before = state(root)
    refused = machine.undo(1)
    assert refused.error is not None
    assert f"{root}/conf" in refused.error.message
    assert f"{root}/new" in refused.error.message
    assert "Undo what came later first" in refused.error.hint
    assert state(root) == before


def test_folders_with_what_is_not_ours_stay(machine: Machine) -> None:
    root = machine.root
    machine.run(Directory(f"{root}/data"), Tree(f"{root}/tree", entries(a="a", b_c="c")))
    (root / "data/database").write_text("precious")
    (root / "tree/b/upload").write_text("precious")
    undone = machine.undo()
    assert f"{root}/data (not empty)" in undone.why
    assert (root / "data/database").exists()
    assert [str(p.relative_to(root)) for p in sorted((root / "tree").rglob("*"))] == ["b", "b/upload"] or (
        root / "tree/b/upload"
    ).exists()


def test_a_run_that_died_can_be_undone(machine: Machine) -> None:
    before = state(machine.root)
    session = machine.agents.start()
    session.submit(File(f"{machine.root}/conf", "new\n")).wait()
    machine.agents.channels[-1].kill()
    session.abandon()
    (run,) = machine.history()["runs"]
    assert not run["ended"]
    assert machine.undo().changed
    assert state(machine.root) == before


def test_a_run_that_died_and_what_was_changed_after_the_next(machine: Machine) -> None:
    session = machine.agents.start()
    session.submit(File(f"{machine.root}/conf", "new\n")).wait()
    machine.agents.channels[-1].kill()
    session.abandon()
    machine.run(File(f"{machine.root}/other", "x"))
    (machine.root / "conf").write_text("by hand\n")
    assert "conf" in str(machine.undo(1).error)


def test_this_run_is_undone_by_itself(machine: Machine) -> None:
    before = state(machine.root)
    t = str(machine.root)
    with machine.agents.session() as session:
        session.submit(File(f"{t}/conf", "new\n"))
        session.submit(Tree(f"{t}/tree", entries(a="a")))
        with pytest.raises(StepFailed):
            session.submit(Command(["false"], reason="a test")).wait()
        assert session.submit(Undo(THIS)).changed
    assert state(machine.root) == before
    (run,) = machine.history()["runs"]
    assert (run["state"], run["undone"]) == ("failed", 1)
    assert "no run to be undone" in str(machine.undo().error)


def test_users_and_groups(agents: Agents, root: Path) -> None:
    """Every file in /etc as before, the copies that useradd makes included, whoever else came in the meantime."""
    (root / "etc").mkdir()
    machine = Machine(agents, root, wrap=private_etc(root))
    machine.run(Group("staying"), User("staying", shell="/bin/sh", home=f"{root}/staying"))
    before = state(root)
    machine.run(Group("web"), User("shop", groups=["web", "staying"], home=f"{root}/home"))
    machine.run(User("later"))
    assert machine.undo(2).error is None
    text = (root / "etc/passwd").read_text()
    assert "later:" in text
    assert "shop:" not in text
    assert not (root / "home").exists()
    machine.undo(3)
    after = state(root)
    assert {at for at in before if before[at] != after[at] and not at.endswith("-")} == set()
    machine.run(NoUser("staying"))
    machine.undo()
    assert state(root)["etc/passwd"] == before["etc/passwd"]


def test_what_is_told_and_what_is_not_undone(machine: Machine) -> None:
    big = machine.root / "big"
    with big.open("wb") as f:
        f.truncate(40_000_000)
    machine.run(
        Command(["true"], reason="a test"), File(str(big), "small\n"), File(f"{machine.root}/new", "x")
    )
    undone = machine.undo()
    assert "what these did by commands stays: command true" in undone.why
    assert f"can't be put back: {big} (40 MB: too large to keep)" in undone.why
    assert not (machine.root / "new").exists()
    told = machine.history(1)
    assert [step["step"] for step in told["steps"]] == [
        "command true",
        f"file {big}",
        f"file {machine.root}/new",
    ]
    assert told["runs"][0]["who"] == "test"
    assert told["runs"][0]["commit"]


def test_runs_that_are_not_there(machine: Machine) -> None:
    assert "no run to be undone" in str(machine.undo().error)
    machine.run(File(f"{machine.root}/new", "x"))
    for outcome in (machine.undo(7), *machine.run(History(7), plan=True)):
        assert outcome.error is not None
        assert "there is no run 7" in outcome.error.message
        assert "1" in outcome.error.hint


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("run.json", "", "its record is damaged"),
        ("run.json", '{"version": 99}', "written by a newer prov"),
        ("run.json", "[" * 9999, "its record is damaged"),
        ("kept.jsonl", "[7]\n[8]\n", "kept.jsonl is damaged at line 1"),
        ("kept.jsonl", '{"path": 7}\n', "kept.jsonl is damaged"),
        ("kept.jsonl", "\udcff\n\udcfe\n", "kept.jsonl is damaged"),
        ("left.json", '{"paths"', "left.json is damaged"),
        ("steps.jsonl", "x\ny\n", "steps.jsonl is damaged at line 1"),
    ],
)
def test_a_damaged_run_is_said_and_nothing_lost(machine: Machine, name: str, text: str, said: str) -> None:
    machine.run(File(f"{machine.root}/conf", "new\n"))
    path = Path(Runs(str(machine.agents.ledger)).at(1, name))
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    before = state(machine.root)
    assert said in str(machine.undo(1).error)
    assert state(machine.root) == before
    assert [run["id"] for run in machine.history()["runs"]] == [1]
    assert machine.run(File(f"{machine.root}/conf", "newer\n"))[0].changed, "the host still converges"


def test_a_last_line_that_was_being_written_when_the_power_went(machine: Machine) -> None:
    machine.run(File(f"{machine.root}/conf", "new\n"))
    with Path(Runs(str(machine.agents.ledger)).at(1, "kept.jsonl")).open("a") as f:
        f.write('{"path": "/etc/pas')
    assert machine.undo().changed
    assert (machine.root / "conf").read_text() == "old\n"


def test_numbers_stay_ordered_when_the_clock_does_not(machine: Machine) -> None:
    machine.run(File(f"{machine.root}/conf", "1\n"))
    path = Path(Runs(str(machine.agents.ledger)).at(1, "run.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "began": "2099-01-01T00:00:00Z"}))
    machine.run(File(f"{machine.root}/conf", "2\n"))
    assert [run["id"] for run in machine.history()["runs"]] == [1, 2]
    assert machine.undo().why == "run 2"
    assert (machine.root / "conf").read_text() == "1\n"
