"""What is kept by whom: steps that act as others, that run commands, that go on after a reboot; how much is kept."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_sessions import Agents

from provision.steps.command import Command
from provision.steps.files import Directory, File
from provision.steps.undo import Undo
from provision.system.account_lines import by_name, with_line
from provision.system.memory import past_runs
from provision.system.memory.former_states import FormerStates, account_changes
from provision.system.memory.past_runs import Runs
from provision.system.memory.run_journal import Journal


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everyone can reach and write to: pytest's own are for their owner."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o777)
        yield folder


def test_a_step_that_acts_as_another_is_kept_all_the_same(agents: Agents, open_folder: Path) -> None:
    conf = open_folder / "conf"
    conf.write_text("old\n")
    conf.chmod(0o600)
    with agents.session() as session:
        assert session.submit(File(str(conf), "new\n")).wait().changed
        assert session.submit(Directory(f"{open_folder}/d", as_user="nobody")).wait().changed
        assert session.submit(File(f"{open_folder}/d/f", "x", as_user="nobody")).wait().changed
    with agents.session() as session:
        undone = session.submit(Undo()).wait()
        assert undone.changed, undone.why
    assert conf.read_text() == "old\n"
    assert not (open_folder / "d").exists()


def test_a_run_that_only_ran_commands_says_so(agents: Agents) -> None:
    with agents.session() as session:
        session.submit(Command(["true"], reason="a test"))
    with agents.session() as session:
        undone = session.submit(Undo()).wait()
    assert not undone.changed
    assert "what these did by commands stays: command true" in undone.why


def test_contents_that_others_may_not_read_are_not_shown(agents: Agents, root: Path) -> None:
    for text in ("old secret\n", "new secret\n"):
        with agents.session() as session:
            session.submit(File(f"{root}/key", text, mode=0o600))
    with agents.session() as session:
        undone = session.submit(Undo()).wait()
    assert "secret" not in repr(undone.diff)
    assert (root / "key").read_text() == "old secret\n"


def journal(home: Path, resumed: int = 0) -> Journal:
    return Journal(str(home), {"who": "test", "commit": "", "began": "1"}, lambda path: None, resumed)


def test_a_run_goes_on_after_a_reboot(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    first = journal(tmp_path)
    first.keep_path(str(tmp_path / "a"))
    (tmp_path / "a").write_text("newer")
    second = journal(tmp_path, resumed=first.id)
    second.keep_path(str(tmp_path / "a"))
    second.keep_path(str(tmp_path / "b"))
    second.end(None, ended="2", changed=["b"], failed=[], state="done")
    former = FormerStates(Runs(str(tmp_path)), first.id)
    assert {Path(path).name for path in former.paths} == {"a", "b"}
    assert Path(former.copy_of(former.paths[str(tmp_path / "a")])).read_text() == "old"
    (run,) = Runs(str(tmp_path)).all()
    assert (run["began"], run["ended"]) == ("1", "2")


def test_old_runs_make_room(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(past_runs, "KEEP_RUNS", 3)
    for number in range(5):
        (tmp_path / "x").write_text(str(number))
        run = journal(tmp_path)
        run.keep_path(str(tmp_path / "x"))
        run.end(None, ended="2", changed=[], failed=[])
    assert Runs(str(tmp_path)).ids() == [3, 4, 5]
    monkeypatch.setattr(past_runs, "KEEP_BYTES", 1)
    Runs(str(tmp_path)).discard_old()
    assert Runs(str(tmp_path)).ids() == [5], "the newest stays"


def test_accounts_that_died_half_way_are_compared_with_what_is_there(
    tmp_path: Path, monkeypatch: Any
) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text("a:1\nb:2\n")
    for module in ("former_states", "run_journal"):
        monkeypatch.setattr(f"provision.system.memory.{module}.ACCOUNTS", (str(passwd),))
    run = journal(tmp_path)
    with run.accounts():
        passwd.write_text("a:1\nc:3\nb:2\n")
    index = Path(Runs(str(tmp_path)).at(run.id, "kept.jsonl"))
    lines = index.read_text().splitlines()
    assert "accounts" in json.loads(lines[-1])
    index.write_text("".join(line + "\n" for line in lines[:-1]))
    (change,) = FormerStates(Runs(str(tmp_path)), run.id).accounts.values()
    assert (change["name"], change["was"], change["now"]) == ("c", None, "c:3")


def test_lines_of_accounts_come_back_where_they_were() -> None:
    before, after = "a:1\nb:2\nc:3\n", "a:1\nc:4\nd:5\n"
    text = after
    for change in account_changes({"f": before}, {"f": after}):
        text = with_line(text, change["name"], change["was"], change["after"])
    assert text == before
    assert list(by_name(text)) == ["a", "b", "c"]
