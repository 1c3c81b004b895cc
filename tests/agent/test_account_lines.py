"""Files of accounts after an undo: to the byte as they were, and what others have changed since stays."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from agent_sessions import Agents, private_etc

from provision.steps.undo import Undo
from provision.steps.users import User
from provision.system.account_lines import by_name, with_line
from provision.system.memory.former_states import account_changes

#: blank lines, comments, two lines of a name, an entry of NIS, a separator of other languages, no newline at the end
ODD = "root:x:0:\n\n# by hand: ann\nann:1:2\nann:5:9\nbob:with \x0b \x85 \u2028 in it:\n+::::\n\nlast:7"


def restored(before: str, after: str, now: str) -> str:
    """The text after the undo of a run that made `after` of `before`, from what it is now."""
    for change in account_changes({"f": before}, {"f": after}):
        if by_name(now).get(change["name"]) == change["now"]:
            now = with_line(now, change["name"], change["was"], change["after"])
    return now


@pytest.mark.trust("9", "undo-account-files")
def test_all_but_our_lines_stays_to_the_byte() -> None:
    ours = with_line(ODD, "prov", "prov:x:999:", "last")
    assert ours == ODD + "\nprov:x:999:\n"
    assert restored(ODD, ours, ours) == ODD + "\n"
    ours = with_line(ODD, "ann", "ann:8:8", "")
    assert ours == ODD.replace("ann:1:2\nann:5:9\n", "ann:8:8\n") + "\n"
    assert restored(ODD, ours, ours) == ODD + "\n"
    gone = with_line(ODD, "ann", None, "")
    assert (
        restored(ODD, gone, gone)
        == ODD.replace("\n# by hand: ann\nann:1:2\nann:5:9", "@").replace(
            "root:x:0:\n@", "root:x:0:\nann:1:2\nann:5:9\n\n# by hand: ann"
        )
        + "\n"
    )
    first = with_line(ODD, "root", None, "")
    assert restored(ODD, first, first) == ODD + "\n"


@pytest.mark.trust("9", "undo-account-files")
def test_what_others_change_meanwhile_stays() -> None:
    before = "a:1\nb:2\n"
    after = "a:1\nb:3\nours:4\n"
    now = "# theirs\na:9\nb:3\nours:4\ntheirs:5\n\n"
    assert restored(before, after, now) == "# theirs\na:9\nb:2\ntheirs:5\n\n"


@pytest.mark.parametrize("seed", range(200))
def test_any_change_is_taken_back(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"n{n}" for n in range(8)]

    def some() -> list[str]:
        return [f"{name}:{chance.randint(0, 3)}" for name in chance.sample(names, chance.randint(0, 6))]

    before, theirs = some(), [f"other{n}:{n}" for n in range(3)]
    after = [line for line in before if chance.random() < 0.6]
    after = [line + "x" if chance.random() < 0.3 else line for line in after]
    known = {line.split(":")[0] for line in before}
    after += [line for line in some() if line.split(":")[0] not in known]
    now = [*after, *theirs]
    texts = ["".join(f"{line}\n" for line in lines) for lines in (before, after, now)]
    found = restored(*texts).splitlines()
    assert [line for line in found if line in theirs] == theirs
    assert sorted(line for line in found if line not in theirs) == sorted(before)


@pytest.mark.trust("9", "undo-account-files")
def test_an_undo_on_files_with_odd_lines(agents: Agents, root: Path) -> None:
    etc = root / "etc"
    etc.mkdir()
    wrap = private_etc(root)
    (etc / "group").write_text(Path("/etc/group").read_text() + "\n# by hand\n")
    before = (etc / "group").read_bytes()
    with agents.session(wrap=wrap) as session:
        session.submit(User("shop", system=True))
    changed = (etc / "group").read_text()
    assert "\nshop:" in changed
    (etc / "group").write_text(changed + "theirs:x:4711:\n")
    with agents.session(wrap=wrap) as session:
        assert session.submit(Undo()).wait().changed
    left = changed.replace(next(line for line in changed.splitlines(True) if line.startswith("shop:")), "")
    assert (etc / "group").read_text() == left + "theirs:x:4711:\n"
    assert before.decode() in left
