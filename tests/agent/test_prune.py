"""What prov made and nothing declares any more: named, pruned by choice, and never what was there before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agent_sessions import Agents, private_etc
from trees import photograph

from provision.controller.events import UndeclaredFound
from provision.controller.outcome import Outcome, StepFailed
from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.files import Absent, Directory, File, Link
from provision.steps.groups import Group
from provision.steps.prune import Prune
from provision.steps.python import Venv
from provision.steps.releases import OldReleases
from provision.steps.text import Line
from provision.steps.tree import Tree
from provision.steps.users import User
from provision.system.source import Source


class Machine:
    """Whole runs, one after the other."""

    def __init__(self, agents: Agents, root: Path) -> None:
        self.agents = agents
        self.root = root
        (root / "etc").mkdir()
        self.wrap = private_etc(root)

    def run(self, *steps: Step, plan: bool = False) -> list[str]:
        """What is named as no longer declared."""
        self.agents.events.clear()
        with self.agents.session(plan=plan, wrap=self.wrap) as session:
            for step in steps:
                session.submit(step)
            session.whole = True
        told = [e for e in self.agents.events if isinstance(e, UndeclaredFound)]
        return [e.what.replace(str(self.root), "") + (" stays" if e.stays else "") for e in told]

    def prune(self, *steps: Step) -> Outcome:
        """Plan it, compare, do it."""
        found = []
        for plan in (True, False):
            before = photograph(self.root)
            with self.agents.session(plan=plan, wrap=self.wrap) as session:
                for step in steps:
                    session.submit(step)
                found.append(session.submit(Prune()).wait())
            assert not plan or photograph(self.root) == before, "a plan has written something"
        planned, real = found
        assert (planned.state, planned.why, planned.diff) == (real.state, real.why, real.diff)
        return real


@pytest.fixture
def machine(agents: Agents, root: Path) -> Machine:
    return Machine(agents, root)


def test_what_was_made_is_named_and_goes_by_choice(machine: Machine) -> None:
    t = str(machine.root)
    (machine.root / "before").write_text("of others\n")
    keep: list[Step] = [
        Directory(f"{t}/site"),
        File(f"{t}/site/keep", "x"),
        File(f"{t}/before", "ours now\n"),
    ]
    gone: list[Step] = [
        Directory(f"{t}/shop"),
        File(f"{t}/shop/conf", "x"),
        Link(f"{t}/shop/now", target="conf"),
        Tree(f"{t}/shop/release", [("a/b", 0o644, Source.of("b"), "")]),
        Directory(f"{t}/data"),
        Group("shopgroup"),
        User("shop"),
    ]
    assert machine.run(*keep, *gone) == []
    (machine.root / "data/database").write_text("precious")
    told = {"link /shop/now", "file /shop/conf", "folder /shop/release", "folder /shop", "folder /data stays"}
    told |= {"user shop", "group shopgroup"}
    for plan in (True, False):
        assert set(machine.run(*keep, plan=plan)) == told
    assert (machine.root / "shop/conf").exists(), "never silently"
    pruned = machine.prune(*keep)
    assert pruned.changed
    assert f"{t}/data" in pruned.why
    left = {str(p.relative_to(machine.root)) for p in machine.root.rglob("*") if "etc" not in p.parts}
    assert left == {"before", "site", "site/keep", "data", "data/database"}
    assert "shop" not in (machine.root / "etc/passwd").read_text()
    assert machine.run(*keep) == ["folder /data stays"]
    assert not machine.prune(*keep).changed
    assert set(machine.run()) == {"file /site/keep", "folder /site", "folder /data stays"}


def test_what_was_there_before_is_never_pruned(machine: Machine) -> None:
    t = str(machine.root)
    (machine.root / "was").write_text("old\n")
    (machine.root / "dir").mkdir()
    machine.run(File(f"{t}/was", "new\n"), Directory(f"{t}/dir", mode=0o700), Line(f"{t}/was", "more"))
    assert machine.run() == []
    assert not machine.prune().changed


def test_another_step_about_the_same_path_declares_it(machine: Machine) -> None:
    t = str(machine.root)
    machine.run(File(f"{t}/conf", "a\n"))
    assert machine.run(Line(f"{t}/conf", "a")) == []
    assert machine.run(Absent(f"{t}/conf")) == []
    (machine.root / "conf").write_text("by hand\n")
    assert machine.run() == [], "what prov has removed is forgotten"


def test_a_run_that_fails_says_nothing(machine: Machine) -> None:
    t = str(machine.root)
    machine.run(File(f"{t}/conf", "a\n"))
    with machine.agents.session(wrap=machine.wrap) as session:
        machine.agents.events.clear()
        with pytest.raises(StepFailed):
            session.submit(Command(["false"], reason="a test")).wait()
        session.whole = True
    assert not [e for e in machine.agents.events if isinstance(e, UndeclaredFound)]


def test_what_a_run_made_that_died_is_known(machine: Machine) -> None:
    t = str(machine.root)
    with machine.agents.session(wrap=machine.wrap) as session:
        session.submit(File(f"{t}/before", "x"))
    session = machine.agents.start(wrap=machine.wrap)
    session.submit(Absent(f"{t}/before"))
    session.submit(Directory(f"{t}/shop"))
    session.submit(File(f"{t}/shop/conf", "x"))
    session.submit(Tree(f"{t}/shop/release", [("a/b", 0o644, Source.of("b"), "")]))
    session.submit(User("shop")).wait()
    machine.agents.channels[-1].kill()
    session.abandon()
    (machine.root / "before").write_text("by hand\n")
    told = {"file /shop/conf", "folder /shop/release", "folder /shop", "user shop"}
    assert set(machine.run(plan=True)) == told
    assert set(machine.run()) == told
    assert machine.prune().changed
    assert machine.run() == []
    assert (machine.root / "before").exists()


def test_a_tree_that_two_runs_have_filled_is_one_whole(machine: Machine, tmp_path: Path) -> None:
    """The first ended when it had made some of it."""
    lost = tmp_path / "lost"
    lost.write_text("b")
    entries = [("a", 0o644, Source.of("a"), ""), ("b", 0o644, Source.of_file(lost), "")]
    lost.unlink()
    with machine.agents.session(wrap=machine.wrap) as session, pytest.raises(StepFailed):
        session.submit(Tree(f"{machine.root}/shop", entries)).wait()
    assert (machine.root / "shop").is_dir()
    entries[1] = ("b", 0o644, Source.of("b"), "")
    machine.run(Tree(f"{machine.root}/shop", entries))
    assert wholes(machine) == {"/shop": True}


def test_a_tree_that_a_dying_run_has_just_filled_is_one_whole(machine: Machine) -> None:
    """What others have put into it is theirs."""
    t = str(machine.root)
    others = File(f"{t}/shop/theirs", "x")
    machine.run(Tree(f"{t}/shop", [("a", 0o644, Source.of("a"), "")]), others)
    assert wholes(machine) == {"/shop": True, "/shop/theirs": False}
    path = machine.agents.ledger / "ledger.json"
    ledger = json.loads(path.read_text())
    maker = ledger["made"][f"path {t}/shop"]
    maker["whole"] = False
    ledger["made"][f"path {t}/shop/a"] = dict(maker)
    path.write_text(json.dumps(ledger))
    assert machine.run(Tree(f"{t}/shop", [("a", 0o644, Source.of("a"), "")], keep=["theirs"]), others) == []
    assert wholes(machine) == {"/shop": True, "/shop/theirs": False}


def wholes(machine: Machine) -> dict[str, bool]:
    """By what prov remembers to have made: whether it is one whole."""
    made = json.loads((machine.agents.ledger / "ledger.json").read_text())["made"]
    return {thing.removeprefix(f"path {machine.root}"): entry["whole"] for thing, entry in made.items()}


def test_an_environment_that_is_made_anew_is_one_whole_as_before(machine: Machine) -> None:
    at = machine.root / "venv"
    broken = machine.root / "python"
    broken.write_text(f"#!/bin/sh\nmkdir -p {at}/bin\nexit 1\n")
    broken.chmod(0o755)
    machine.run(Venv(str(at), python=str(broken)))
    assert at.is_dir(), "it fails, and leaves something"
    venv = Venv(str(at))
    assert machine.run(venv) == []
    (at / "bin/python").unlink()
    assert machine.run(venv) == machine.run(venv) == []
    assert (at / "bin/python").exists()
    assert wholes(machine)["/venv"]
    assert machine.run(File(f"{machine.root}/other", "x")) == ["folder /venv"]


@pytest.mark.trust("9", "prune-breaks-undo")
def test_what_belongs_to_releases_that_are_kept_is_declared(machine: Machine) -> None:
    """A release has more in it than its tree: links, stamps and modules that other steps have put there."""
    home = f"{machine.root}/srv"

    def release(name: str) -> list[Step]:
        at = f"{home}/releases/{name}"
        return [
            *(
                Directory(folder)
                for folder in (home, f"{home}/releases", f"{home}/venvs", f"{home}/instances")
            ),
            Tree(at, [("app.py", 0o644, Source.of(name), "")], keep=[".prov", ".venv"]),
            Directory(f"{at}/.prov"),
            File(f"{at}/.prov/shim.py", name),
            Directory(f"{home}/venvs/{name}"),
            Link(f"{at}/.venv", target=f"../../venvs/{name}"),
            Link(f"{home}/instances/{name}", target=f"../releases/{name}"),
            OldReleases(home, current=name, keep=2),
        ]

    for name in ("a", "b", "c"):
        assert machine.run(*release(name)) == []
    assert not machine.prune(*release("c")).changed
    left = {path.name for path in (machine.root / "srv/releases").iterdir()}
    assert left == {"b", "c"}
    assert (machine.root / "srv/releases/b/.prov/shim.py").exists()
    assert machine.prune().changed
    assert not (machine.root / "srv").exists()
