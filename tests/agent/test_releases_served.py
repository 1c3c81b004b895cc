"""What a host remembers of releases, holds and locks, on real agents: written, read, refused, undone."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from agent_sessions import Agents

from provision.controller.outcome import Outcome, StepFailed
from provision.controller.session import Session
from provision.errors import ProvError
from provision.steps.base import Change, Step
from provision.steps.built_releases import LIVE, BuiltRelease
from provision.steps.files import Directory, Link
from provision.steps.holds import ChangesAllowed, FreeOfLocks, OperatorLock, Resumed
from provision.steps.pending_migrations import NOT_BUILT, PendingMigrations
from provision.steps.releases import Current, OldReleases
from provision.steps.releases_served import EnvironmentBefore, ReleaseServed, ReleasesKnown, SchemaKnown
from provision.steps.undo import Undo
from provision.system.memory.release_book import in_order

FIRST, SECOND = "a" * 12, "b" * 12
ENV = 'KEY="now"\nOLD="1"\nPLAIN="new\nlines"\n'


@pytest.fixture
def home(root: Path) -> str:
    """An application with two releases on the host, each with its environment."""
    for release in (FIRST, SECOND):
        folder = root / "releases" / release
        folder.mkdir(parents=True)
        (root / "venvs" / release).mkdir(parents=True)
        (folder / ".venv").symlink_to(f"../../venvs/{release}")
    return str(root)


def run(agents: Agents, *steps: Step, plan: bool = False) -> list[Outcome]:
    """Do these steps in a run of their own."""
    with agents.session(plan=plan) as session:
        return [submitted(session, step) for step in steps]


def submitted(session: Session, step: Step) -> Outcome:
    return session.submit(step).wait()


def refused(agents: Agents, step: Step) -> StepFailed:
    session = agents.start()
    with pytest.raises(StepFailed) as error:
        session.submit(step).wait()
    session.acknowledge()
    session.finish()
    return error.value


def served(home: str, release: str, migrations: Sequence[str] = (), **options: Any) -> ReleaseServed:
    about = {"environment": {}, "secrets": [], "migrations": list(migrations)}
    text = "" if options.get("again") else json.dumps(about)
    return ReleaseServed(home, release, release, text, migrations, **options)


def known(agents: Agents, home: str) -> dict[str, Any]:
    (outcome,) = run(agents, ReleasesKnown([home]))
    found: dict[str, Any] = json.loads(outcome.stdout)[home]
    return found


def test_a_release_is_recorded_once(agents: Agents, home: str) -> None:
    (first,) = run(agents, served(home, FIRST))
    assert first.diff[0][:3] == ("release", "", FIRST)
    (again,) = run(agents, served(home, FIRST))
    assert (again.state, again.why) == ("ok", f"is {FIRST}")
    assert (Path(home) / "releases.json").stat().st_mode & 0o777 == 0o600
    book = known(agents, home)
    assert book["live"] == FIRST
    assert book["instances"][FIRST]["who"] == "test"
    assert book["unrecorded"] == [SECOND]


def test_deploys_count_in_their_order_whatever_the_clock_says(agents: Agents, home: str) -> None:
    run(agents, served(home, SECOND))
    book = Path(home) / "releases.json"
    # the clock was ahead, and has been set since
    book.write_text(
        json.dumps({**(old := json.loads(book.read_text())), "instances": later(old["instances"])})
    )
    run(agents, served(home, FIRST))
    assert [name for name, _ in in_order(known(agents, home))] == [SECOND, FIRST]
    run(agents, served(home, SECOND))
    assert [name for name, _ in in_order(known(agents, home))] == [FIRST, SECOND]


def later(instances: dict[str, Any]) -> dict[str, Any]:
    return {name: {**entry, "at": "2999-01-01T00:00:00Z"} for name, entry in instances.items()}


def test_what_is_built_ahead_is_no_release_to_go_back_to_until_it_has_been_in_service(
    agents: Agents, home: str
) -> None:
    made: list[Step] = [Directory(f"{home}/releases/{FIRST}/.prov"), BuiltRelease(home, FIRST)]
    planned, built, again = (run(agents, *made, plan=plan)[-1] for plan in (True, False, False))
    assert planned.diff == built.diff == [Change("release", "", "built, not in service")]
    assert (again.state, again.why, again.stdout) == ("ok", "is built", "")
    run(agents, served(home, SECOND))
    book = known(agents, home)
    assert (book["unrecorded"], book["built"]) == ([FIRST], [FIRST])

    current = Current(f"{home}/current", f"releases/{FIRST}")
    (planned,), (turned,) = (run(agents, current, plan=plan) for plan in (True, False))
    assert planned.diff == turned.diff
    assert known(agents, home)["built"] == []
    (live,) = run(agents, BuiltRelease(home, FIRST))
    assert (live.state, live.why, live.stdout) == ("ok", "is in service", LIVE)
    (before,) = run(agents, BuiltRelease(home, SECOND))
    assert (before.state, before.why, before.stdout) == ("ok", "has been in service", "")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_built_ahead_counts_for_no_release_and_the_latest_stays(agents: Agents, root: Path) -> None:
    home, names = str(root), [letter * 12 for letter in "abcdef"]
    steps: list[Step] = [Directory(f"{home}/{each}") for each in ("releases", "venvs")]
    for name in names:
        steps += [Directory(f"{home}/venvs/{name}"), Directory(f"{home}/releases/{name}")]
        steps += [Directory(f"{home}/releases/{name}/.prov")]
        steps += [Link(f"{home}/releases/{name}/.venv", f"../../venvs/{name}")]
    run(agents, *steps)
    for number, name in enumerate(names):
        # the age of a release is that of its link
        os.utime(f"{home}/releases/{name}/.venv", (number, number), follow_symlinks=False)
    # a and b have been in service, c is; d, e and then f are built
    run(agents, Current(f"{home}/current", f"releases/{names[2]}"))
    run(agents, *(BuiltRelease(home, name) for name in names[3:]))
    old = OldReleases(home, names[5], keep=2)
    (planned,), (gone,) = (run(agents, old, plan=plan) for plan in (True, False))
    assert planned.diff == gone.diff
    assert names_in(root / "releases") == [names[1], names[2], names[5]]
    # another one comes into service: what is built stays
    run(agents, OldReleases(home, names[2], keep=1))
    assert names_in(root / "releases") == names_in(root / "venvs") == [names[2], names[5]]


def test_a_plan_says_it_and_records_nothing(agents: Agents, home: str) -> None:
    (planned,) = run(agents, served(home, FIRST), plan=True)
    assert planned.state == "changed"
    assert not (Path(home) / "releases.json").exists()


def test_a_rollback_keeps_the_record_and_holds(agents: Agents, home: str) -> None:
    run(agents, served(home, FIRST, ["m/0001_a.py"]))
    run(agents, served(home, SECOND, ["m/0001_a.py", "m/0002_b.py"]))
    before = known(agents, home)["instances"]
    run(agents, served(home, FIRST, again=True, hold=True))
    book = known(agents, home)
    assert (book["live"], book["before"]) == (FIRST, SECOND)
    assert book["instances"] == before, "when and by whom it was deployed stays"
    assert book["schema"] == ["m/0001_a.py", "m/0002_b.py"], "the database keeps what it has"
    assert (book["hold"]["left"], book["hold"]["back_to"]) == (SECOND, FIRST)

    error = refused(agents, ChangesAllowed([home]))
    assert f"went back from {SECOND} to {FIRST}" in error.message
    assert "test" in error.message
    assert "prov resume" in error.hint
    (planned,) = run(agents, ChangesAllowed([home]), plan=True)
    assert planned.state == "ok"
    assert "is held" in planned.stdout
    assert [each.state for each in run(agents, ChangesAllowed())] == ["ok"], "other work is let through"

    assert [each.state for each in run(agents, Resumed(home), Resumed(home))] == ["changed", "ok"]
    assert run(agents, ChangesAllowed([home]))[0].state == "ok"


def test_a_disk_without_room_is_told_before_anything_is_touched(agents: Agents, home: str) -> None:
    release = f"{home}/releases/{'c' * 12}"
    for size, words in (
        ([1 << 60, 10], "MB left, and this deploy needs about"),
        ([1, 1 << 60], "inodes left"),
    ):
        error = refused(agents, ChangesAllowed([home], {release: size}))
        assert error.message.startswith("the disk of ") and words in error.message
        assert "keep_releases" in error.hint
        (planned,) = run(agents, ChangesAllowed([home], {release: size}), plan=True)
        assert planned.state == "ok" and words in planned.stdout
    # a release that is there, and environments that are as large as the one beside them
    Path(release).mkdir(parents=True)
    environment = Path(home) / "venvs/other"
    environment.mkdir(parents=True)
    assert (
        run(agents, ChangesAllowed([home], {release: [1 << 60, 10]}, [f"{home}/venvs/new"]))[0].state == "ok"
    )


def test_an_undo_of_a_rollback_lifts_its_hold(agents: Agents, home: str) -> None:
    run(agents, served(home, FIRST))
    run(agents, served(home, SECOND))
    run(agents, served(home, FIRST, again=True, hold=True))
    run(agents, Undo())
    book = known(agents, home)
    assert (book["live"], book["hold"]) == (SECOND, None)


def test_an_undo_after_a_hold_was_lifted_undoes_what_came_before_it(agents: Agents, home: str) -> None:
    run(agents, served(home, FIRST))
    run(agents, served(home, SECOND))
    run(agents, served(home, FIRST, again=True, hold=True))
    run(agents, Resumed(home))
    (undone,) = run(agents, Undo())
    assert "run 3" in undone.why
    book = known(agents, home)
    assert (book["live"], book["hold"]) == (SECOND, None)
    (undone,) = run(agents, Undo())
    assert "run 2" in undone.why, "the hold that was lifted is not put back either"
    assert known(agents, home)["live"] == FIRST


def test_an_undo_is_refused_if_more_than_a_hold_was_changed_since(agents: Agents, home: str) -> None:
    run(agents, served(home, FIRST))
    run(agents, served(home, SECOND))
    run(agents, served(home, FIRST, again=True, hold=True))
    run(agents, Resumed(home))
    book = Path(home) / "releases.json"
    book.write_text(book.read_text() + " ")
    assert "changed since run 3" in refused(agents, Undo()).message


def test_a_release_without_its_environment_says_so(agents: Agents, home: str) -> None:
    run(agents, served(home, FIRST))
    run(agents, served(home, SECOND))
    (Path(home) / "venvs" / FIRST).rmdir()
    book = known(agents, home)
    assert book["instances"][FIRST]["why"] == "its environment is gone"
    assert book["instances"][SECOND]["why"] == ""


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1, "live": 3, "instances": {}}', '{"version": 9}']
)
def test_a_damaged_record_is_told_and_written_again(agents: Agents, home: str, text: str) -> None:
    (Path(home) / "releases.json").write_text(text)
    assert "releases.json" in known(agents, home)["damaged"]
    assert run(agents, ChangesAllowed([home]))[0].state == "ok"
    assert run(agents, SchemaKnown(home, []))[0].state == "ok"
    assert run(agents, PendingMigrations(home, SECOND, []))[0].state == "ok"
    run(agents, served(home, FIRST))
    assert known(agents, home)["live"] == FIRST


def test_code_that_is_older_than_its_database_is_refused(agents: Agents, home: str) -> None:
    run(agents, served(home, SECOND, ["shop/migrations/0001_a.py", "shop/migrations/0002_b.py"]))
    error = refused(agents, SchemaKnown(home, ["shop/migrations/0001_a.py"]))
    assert "shop/migrations/0002_b.py" in error.message
    assert "0001_a" not in error.message
    assert "--force" in error.hint
    later = ["shop/migrations/0001_a.py", "shop/migrations/0002_b.py", "shop/migrations/0003_c.py"]
    assert run(agents, SchemaKnown(home, later))[0].state == "ok"


def test_what_pending_migrations_do_is_said_once_a_release_is_in_service(agents: Agents, home: str) -> None:
    both = ["shop/migrations/0001_a.py", "shop/migrations/0002_b.py"]
    risks = {both[0]: ["removes a.b"], both[1]: ["removes a.c", "renames a.d"]}
    data = Path(home) / "data"
    data.mkdir()
    step = SchemaKnown(home, both, risks, rewrites={both[0]: ["a"], both[1]: ["B"]}, data=str(data))
    assert run(agents, step)[0].stdout == ""
    run(agents, served(home, FIRST, both[:1]))
    said = json.loads(run(agents, step)[0].stdout)
    assert said == {"risks": [f"{both[1]} removes a.c", f"{both[1]} renames a.d"], "rewrites": []}
    sqlite3.connect(data / "shop.db").execute("PRAGMA user_version = 1").connection.close()
    (data / "notes.txt").write_text("no database")
    (said,) = json.loads(run(agents, step)[0].stdout)["rewrites"]
    assert said.startswith(f"{both[1]} may copy the table of B in shop.db (1 MB); ")
    run(agents, served(home, SECOND, both))
    assert json.loads(run(agents, step)[0].stdout) == {"risks": [], "rewrites": []}


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("print('noise'); print('PROV-MIGRATIONS ' + '{\"migrations\": [], \"why\": \"\"}')", ""),
        ("raise SystemExit('no database')", "no database (exit status 1)"),
        ("print('PROV-MIGRATIONS [')", "its answer can't be read: "),
        ("print('PROV-MIGRATIONS [1]')", "its answer can't be read: expected an object"),
        ("pass", "it has not answered (exit status 0)"),
    ],
)
def test_a_release_is_asked_for_its_pending_migrations(
    agents: Agents, home: str, program: str, why: str
) -> None:
    step = PendingMigrations(home, SECOND, ["shop/migrations/0001_a.py"], [sys.executable, "-c", program])
    (outcome,) = run(agents, step)
    answer = json.loads(outcome.stdout)
    assert (outcome.state, answer["migrations"]) == ("ok", [])
    assert answer["why"].startswith(why) and bool(answer["why"]) is bool(why)


def test_a_plan_asks_only_what_is_on_the_host_and_not_in_service(agents: Agents, home: str) -> None:
    both = ["shop/migrations/0001_a.py", "shop/migrations/0002_b.py"]
    answers = [sys.executable, "-c", 'print(\'PROV-MIGRATIONS {"migrations": [], "why": "asked"}\')']
    built = PendingMigrations(home, SECOND, both, answers)
    absent = PendingMigrations(home, SECOND, both, [f"{home}/releases/{SECOND}/.venv/bin/python"])
    assert run(agents, built, plan=True)[0].stdout == "", "nothing is in service yet"
    run(agents, served(home, FIRST, both[:1]))
    assert json.loads(run(agents, built, plan=True)[0].stdout)["why"] == "asked"
    told = json.loads(run(agents, absent, plan=True)[0].stdout)
    assert told["why"] == NOT_BUILT
    assert [each["name"] for each in told["migrations"]] == both[1:]
    run(agents, served(home, SECOND, both))
    assert run(agents, built, plan=True)[0].stdout == "", "it is in service"


def test_an_environment_goes_back_and_secrets_stay(agents: Agents, root: Path) -> None:
    path = root / "shop.env"
    path.write_text(ENV)
    step = EnvironmentBefore(str(path), {"PLAIN": 'a "b"\n$c', "X": "2"}, ["KEY"])
    changed, again = run(agents, step, step)
    assert changed.diff == [("content", "********", "********", "")]
    assert changed.why == "differs: OLD, PLAIN, X"
    assert again.state == "ok"
    assert path.read_text() == 'KEY="now"\nPLAIN="a \\"b\\"\n\\$c"\nX="2"\n'
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_is_gone_is_named(agents: Agents, root: Path) -> None:
    path = root / "shop.env"
    path.write_text(ENV)
    error = refused(agents, EnvironmentBefore(str(path), {}, ["KEY", "TOKEN"]))
    assert error.message.endswith(": TOKEN")
    assert path.read_text() == ENV
    assert "is missing" in refused(agents, EnvironmentBefore(str(root / "none.env"), {})).message


def aside(agents: Agents, *steps: Step) -> list[Outcome]:
    """Do these steps beside runs, as prov lock does."""
    session = agents.start(opening={"aside": "free"})
    done = [submitted(session, step) for step in steps]
    session.finish()
    return done


def test_a_lock_refuses_with_its_reason(agents: Agents, home: str) -> None:
    lock = OperatorLock("disk", "ann@desk (pid 3)")
    assert [each.state for each in aside(agents, lock, lock)] == ["changed", "ok"]
    with pytest.raises(ProvError, match=r"locked by ann@desk since .*: disk") as error:
        run(agents, ChangesAllowed())
    assert "prov unlock" in error.value.hint
    (planned,) = run(agents, ChangesAllowed([home]), plan=True)
    assert "disk" in planned.stdout
    assert aside(agents, ReleasesKnown([home]))[0].state == "ok", "what only reads is let through"
    with pytest.raises(StepFailed, match="disk"):
        aside(agents, OperatorLock("another reason", "bob"))
    assert [each.state for each in aside(agents, OperatorLock(""), OperatorLock(""))] == ["changed", "ok"]
    assert run(agents, ChangesAllowed())[0].state == "ok"


def test_a_wait_for_locks_ends_with_them(agents: Agents) -> None:
    aside(agents, OperatorLock("disk", "ann"))
    with pytest.raises(StepFailed, match="disk"):
        aside(agents, FreeOfLocks(0.1))
    session = agents.start(opening={"aside": "free"})
    waiting = session.submit(FreeOfLocks(30))
    aside(agents, OperatorLock(""))
    assert waiting.state == "ok"
    session.finish()
