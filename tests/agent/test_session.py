"""What a session promises (decision D3, D5, D6, D10), with real agents."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from agent_sessions import Agents, wait_for

from provision.controller import login
from provision.controller.events import Notice, StepDone, StepRunning
from provision.controller.outcome import StepFailed
from provision.errors import ConfigError, ProvError, UnreachableError
from provision.secrets import Secret
from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.files import Absent, Directory, File
from provision.steps.text import Line
from provision.system.memory.past_runs import Runs

PASSWORD = "correct-horse-battery"


def done(agents: Agents) -> list[StepDone]:
    return [e for e in agents.events if isinstance(e, StepDone)]


def ledger(agents: Agents) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((agents.ledger / "ledger.json").read_text())
    return found


def recorded(agents: Agents) -> list[dict[str, Any]]:
    """The runs that the host remembers."""
    return list(Runs(str(agents.ledger)).all())


def running(word: str) -> list[int]:
    """Processes that have this word in their argv."""
    found = []
    for at in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in at.read_bytes() and int(at.parent.name) != os.getpid():
                found.append(int(at.parent.name))
        except OSError:
            continue
    return found


# -- round trips


@pytest.mark.parametrize("count", [5, 500])
def test_steps_are_pipelined(agents: Agents, root: Path, count: int) -> None:
    """Any number of steps costs one channel and the same few turns between talking and listening."""
    for n in range(count):
        (root / str(n)).write_text(f"{n}\n")
    with agents.session() as session:
        outcomes = [session.submit(File(f"{root}/{n}", f"{n}\n")) for n in range(count)]
        assert agents.channels[0].turns == 0
        outcomes[-1].wait()
    assert {o.state for o in outcomes} == {"ok"}
    assert len(agents.channels) == 1
    assert agents.channels[0].turns <= 3


def test_contents_travel_only_where_they_differ(agents: Agents, root: Path) -> None:
    (root / "same").write_text("x" * 1000)
    with agents.session() as session:
        session.submit(File(f"{root}/same", "x" * 1000)).wait()
        sent = session.frames_sent
        session.submit(File(f"{root}/new", "y" * 1000)).wait()
        assert session.frames_sent == sent + 3, "the step, and its contents for the diff and for the file"


# -- failures


def test_nothing_runs_past_a_broken_step_until_note_is_taken(agents: Agents, root: Path) -> None:
    with agents.session() as session:
        session.submit(File(f"{root}/before", ""))
        broken = session.submit(File(f"{root}/none/x", ""))
        skipped = session.submit(File(f"{root}/skipped", ""))
        with pytest.raises(StepFailed, match="does not exist") as raised:
            skipped.wait()
        assert raised.value.outcome is broken
        assert (skipped.state, skipped.why) == ("skipped", f"file {root}/none/x failed")
        assert session.submit(File(f"{root}/after", "")).changed
    assert sorted(p.name for p in root.iterdir()) == ["after", "before"]
    assert [e.state for e in done(agents)] == ["changed", "failed", "skipped", "changed"]


def test_a_failure_tells_the_line_of_who_asked_for_it(agents: Agents, root: Path) -> None:
    with agents.session() as session:
        with pytest.raises(StepFailed) as raised:
            session.submit(Command(["sh", "-c", "echo out; echo err >&2; exit 7"], reason="a test")).wait()
        error = raised.value
    assert (error.status, error.stdout, error.stderr) == (7, "out", "err")
    assert error.argv == ["sh", "-c", "echo out; echo err >&2; exit 7"]
    assert Path(__file__).name in error.where
    (event,) = done(agents)
    assert "exit 7" in event.line
    assert event.where == error.where


def test_an_ignored_failure_ends_nothing(agents: Agents, root: Path) -> None:
    with agents.session() as session:
        broken = session.submit(File(f"{root}/none/x", "", ignore_errors="a test"))
        after = session.submit(File(f"{root}/after", ""))
        assert after.changed
        assert broken.state == "failed"
    assert [(e.state, e.ignored) for e in done(agents)] == [("failed", "a test"), ("changed", "")]


def test_a_mistake_in_a_step_is_told_as_one(agents: Agents, root: Path) -> None:
    """Arguments that get past the controller's checks, and that the step's own code fails on."""
    (root / "x").write_text("b\n")
    with agents.session() as session:
        step = Line(f"{root}/x", "a", match="a", create=True)
        object.__setattr__(step, "match", 7)
        object.__setattr__(step, "validate", lambda: None)
        with pytest.raises(StepFailed, match="the step is at fault: TypeError") as raised:
            session.submit(step).wait()
        assert "Traceback" in raised.value.stderr or "line" in raised.value.stderr
        assert session.submit(File(f"{root}/y", "")).changed


def test_when_runs_a_step_only_after_a_change(agents: Agents, root: Path) -> None:
    (root / "same").write_text("x\n")
    for plan in (True, False):
        with agents.session(plan=plan) as session:
            same = session.submit(File(f"{root}/same", "x\n"))
            new = session.submit(File(f"{root}/new", "x\n"))
            skipped = session.submit(Command(["touch", f"{root}/a"], when=[same]))
            run = session.submit(Command(["touch", f"{root}/b"], when=[same, new]))
            assert (skipped.state, skipped.why) == ("ok", f"none of file {root}/same changed")
            assert run.state == "changed"
    assert sorted(p.name for p in root.iterdir()) == ["b", "new", "same"]


def test_wrong_arguments_are_refused_where_they_are_written(agents: Agents) -> None:
    with agents.session() as session, pytest.raises(ConfigError) as raised:
        session.submit(File("relative", "x"))
    assert Path(__file__).name in raised.value.where
    assert raised.value.exit_code == 2


def test_later_steps_of_a_plan_see_what_earlier_ones_would_do(agents: Agents, root: Path) -> None:
    steps: list[Step] = [
        Directory(f"{root}/a"),
        File(f"{root}/a/conf", "one\n"),
        Line(f"{root}/a/conf", "two"),
        Absent(f"{root}/a/conf"),
        Absent(f"{root}/a/conf"),
        File(f"{root}/a/conf", "three\n", mode=0o600),
        Directory(f"{root}/a"),
        Absent(f"{root}/a"),
    ]
    found = []
    for plan in (True, False):
        with agents.session(plan=plan) as session:
            outcomes = [session.submit(step) for step in steps]
            found.append([(o.state, o.why, o.diff) for o in outcomes])
        assert list(root.iterdir()) == []
    assert found[0] == found[1]
    assert [state for state, _, _ in found[0]] == ["changed"] * 4 + ["ok", "changed", "ok", "changed"]


def test_a_link_that_is_lost_before_the_agent_speaks(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "START_TIMEOUT", 2.0)
    session = agents.start(wrap=lambda command: ["sh", "-c", "echo PROV:shell >&2; exec wc -c"])
    with pytest.raises(UnreachableError, match="silent for 2 s"):
        session.submit(File("/srv/x", "")).wait()
    agents.channels[0].process.kill()
    session.abandon()


# -- the ledger


def test_the_ledger_tells_of_the_last_runs_that_did_something(agents: Agents, root: Path) -> None:
    for _ in range(2):
        with agents.session() as session:
            session.submit(File(f"{root}/x", "x\n"))
    (run,) = recorded(agents)
    assert run["who"] == "test"
    assert run["changed"] == [f"file {root}/x"]
    assert run["began"] <= run["ended"]
    modes = {str(p.relative_to(agents.ledger)): p.stat().st_mode & 0o777 for p in agents.ledger.rglob("*")}
    assert {mode for at, mode in modes.items() if (agents.ledger / at).is_file()} == {0o600}
    assert {mode for at, mode in modes.items() if (agents.ledger / at).is_dir()} == {0o700}
    assert agents.ledger.stat().st_mode & 0o777 == 0o700


def test_a_plan_leaves_no_ledger(agents: Agents, root: Path) -> None:
    with agents.session(plan=True) as session:
        assert session.submit(File(f"{root}/x", "x\n")).changed
    assert not agents.ledger.exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"version": 1', "[]", '{"version": 2, "units": [], "made": {}}', '{"units": {}, "made": {}}',
     '{"version": 1, "units": {"x.service": 7}, "runs": []}', '{"version": 2, "units": {}, "made": []}',
     '{"version": 2, "units": {}, "made": {"path /x": 7}}', "[" * 100_000, "\udcff\udcfe"],
)  # fmt: skip
def test_a_damaged_ledger_is_kept_aside(agents: Agents, root: Path, text: str) -> None:
    agents.ledger.mkdir()
    damaged = text.encode("utf-8", "surrogateescape")
    (agents.ledger / "ledger.json").write_bytes(damaged)
    with agents.session() as session:
        assert session.submit(File(f"{root}/x", "")).changed
    assert [n.text for n in agents.events if isinstance(n, Notice)] == [
        f"the ledger was damaged; it is kept as {agents.ledger}/ledger.json.damaged"
    ]
    assert (agents.ledger / "ledger.json.damaged").read_bytes() == damaged
    assert len(recorded(agents)) == 1


def test_the_ledger_of_a_newer_prov_is_left_alone(agents: Agents, root: Path) -> None:
    agents.ledger.mkdir()
    text = '{"version": 99, "units": {}, "runs": []}'
    (agents.ledger / "ledger.json").write_text(text)
    session = agents.start()
    with pytest.raises(ProvError, match="was written by a newer prov") as raised:
        session.submit(File(f"{root}/x", "")).wait()
    assert "Upgrade prov" in raised.value.hint
    session.finish()
    assert (agents.ledger / "ledger.json").read_text() == text
    assert list(root.iterdir()) == []


# -- the connection


def test_an_agent_that_dies_in_the_middle(agents: Agents, root: Path) -> None:
    session = agents.start()
    session.submit(File(f"{root}/x", ""))
    slow = session.submit(Command(["sleep", "30"], reason="a test"))
    assert session.facts
    agents.channels[0].kill()
    with pytest.raises(UnreachableError, match="the connection was cut") as raised:
        slow.wait()
    assert "run again" in raised.value.hint
    session.abandon()


def test_a_talkative_login_shell_does_no_harm(agents: Agents, root: Path) -> None:
    banner = "echo 'Welcome to web1'; printf 'no newline \\001\\377'; echo warning >&2; exec "
    with agents.session(wrap=lambda command: ["sh", "-c", banner + command]) as session:
        assert session.submit(File(f"{root}/x", "")).changed


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo This account is closed.", "This account is closed."),
        ("echo denied >&2; exit 1", "denied"),
        ("exit 0", ""),
    ],
)
def test_a_login_that_starts_no_agent(agents: Agents, script: str, said: str) -> None:
    session = agents.start(wrap=lambda command: ["sh", "-c", script])
    with pytest.raises(UnreachableError, match="the agent did not start") as raised:
        assert session.facts
    assert said in str(raised.value)
    session.abandon()


def test_something_else_that_writes_to_the_agents_output(agents: Agents) -> None:
    from provision.system.frames import MARKER

    session = agents.start(
        wrap=lambda command: ["printf", MARKER.decode().replace("\0", "\\0") + "hello, world"]
    )
    with pytest.raises(UnreachableError, match="something else writes to its output"):
        assert session.facts
    session.abandon()


def test_commands_and_libraries_do_not_write_into_the_frames(agents: Agents) -> None:
    with agents.session() as session:
        argv = ["sh", "-c", "echo to stdout; echo to stderr >&2; echo to the tty > /dev/tty; true"]
        assert session.submit(Command(argv, reason="a test")).stdout == "to stdout\n"


# -- time


def test_a_deadline_ends_the_command_with_its_children(agents: Agents) -> None:
    began = time.monotonic()
    with agents.session() as session:
        argv = ["sh", "-c", "sleep 31.4159 & sleep 31.4159"]
        with pytest.raises(StepFailed, match="the command did not end within 1 s"):
            session.submit(Command(argv, reason="a test", timeout=1)).wait()
        assert time.monotonic() - began < 10
        # killed, but the kernel may still be busy with it
        wait_for(lambda: not running("31.4159"), seconds=10)


def test_a_stopped_session_ends_after_its_running_step(agents: Agents, root: Path) -> None:
    session = agents.start()
    begun, slow = root / "begun", root / "slow"
    script = f"touch {begun}; sleep 0.5; touch {slow}"
    first = session.submit(Command(["sh", "-c", script], reason="a test"))
    rest = [session.submit(File(f"{root}/{n}", "")) for n in range(3)]
    assert session.facts
    wait_for(begun.exists)
    session.stop()
    session.finish()
    assert first.state == "changed"
    assert {(o.state, o.why) for o in rest} == {("skipped", "the run was stopped")}
    assert sorted(p.name for p in root.iterdir()) == ["begun", "slow"]


def test_a_lost_controller_lets_the_running_step_end_and_no_other_begin(agents: Agents, root: Path) -> None:
    session = agents.start()
    begun, slow = root / "begun", root / "slow"
    script = f"touch {begun}; sleep 0.5; touch {slow}"
    session.submit(Command(["sh", "-c", script], reason="a test"))
    session.submit(File(f"{root}/never", ""))
    assert session.facts
    wait_for(begun.exists)
    process = agents.channels[0].process
    session.abandon()
    process.wait(10)
    assert slow.exists()
    assert not (root / "never").exists()
    (run,) = recorded(agents)
    assert run["ended"]


# -- output


def test_much_output_on_both_streams_blocks_nothing(agents: Agents) -> None:
    script = (
        "import sys, threading\n"
        "def say(stream, letter):\n"
        "    for n in range(10 * 1024):\n"
        "        stream.write(letter * 1023 + '\\n')\n"
        "other = threading.Thread(target=say, args=[sys.stderr, 'e'])\n"
        "other.start(); say(sys.stdout, 'o'); other.join()\n"
    )
    with agents.session() as session:
        outcome = session.submit(Command([sys.executable, "-c", script], reason="a test"))
        assert outcome.state == "changed"
        assert 4 * 1024 * 1024 <= len(outcome.stdout) <= 8 * 1024 * 1024 + 100
        assert outcome.stdout.startswith("ooo")
        assert "\n[...]\n" in outcome.stdout


def test_very_many_small_pieces_of_output(agents: Agents) -> None:
    script = "import os\nfor n in range(100_000):\n    os.write(1, b'a line\\n')\n"
    with agents.session() as session:
        outcome = session.submit(Command([sys.executable, "-c", script], reason="a test", timeout=20))
        assert outcome.stdout.count("a line") == 100_000


def test_much_input(agents: Agents) -> None:
    with agents.session() as session:
        text = "0123456789abcde\n" * 200_000
        assert session.submit(Command(["wc", "-c"], stdin=text, reason="a test")).stdout.strip() == str(
            len(text)
        )
        assert session.submit(Command(["head", "-c", "5"], stdin=text, reason="a test")).stdout == "01234"


def test_progress_of_a_long_step_is_an_event(agents: Agents) -> None:
    with agents.session() as session:
        argv = ["sh", "-c", "echo half way; sleep 0.6"]
        session.submit(Command(argv, reason="a test")).wait()
    assert any(isinstance(e, StepRunning) and e.text == "half way" for e in agents.events)


# -- secrets


def test_a_secret_is_shown_nowhere(agents: Agents, root: Path) -> None:
    """Not in argv, events, outcomes, errors or the ledger; only where it is needed."""
    secret = Secret(PASSWORD)
    seen = root / "argv"
    with agents.session() as session:
        conf = session.submit(File(f"{root}/conf", secret))
        session.submit(File(f"{root}/conf", Secret(PASSWORD + "2")))
        script = f'echo "said $TOKEN"; cat; ps axww > {seen}; sleep 0.5'
        environment: Any = {"TOKEN": secret}
        command = session.submit(
            Command(["sh", "-c", script], environment=environment, stdin=secret, reason="a test")
        )
        assert command.stdout == "said ********\n********"
        with pytest.raises(StepFailed) as raised:
            script = 'echo "out $TOKEN"; echo "err $TOKEN" >&2; exit 1'
            session.submit(Command(["sh", "-c", script], environment=environment, reason="a test")).wait()
        error = raised.value
        with pytest.raises(StepFailed) as judged:
            judge = ["sh", "-c", "cat $0; cat $0 >&2; exit 1", "%s"]
            session.submit(File(f"{root}/conf", Secret(PASSWORD + "3"), validate_with=judge)).wait()
    assert (root / "conf").read_text() == PASSWORD + "2"
    assert (root / "conf").stat().st_mode & 0o777 == 0o600
    assert [tuple(c) for c in conf.diff] == [("content", "", "********", ""), ("mode", "", "0600", "")]
    assert (error.stdout, error.stderr) == ("out ********", "err ********")
    assert "sleep 0.5" in seen.read_text()
    told = [seen.read_text(), repr(agents.events)]
    told += [p.read_text() for p in agents.ledger.rglob("*.json*")]
    told += [repr(vars(e)) for e in (error, judged.value)] + [repr(o._answer) for o in (conf, command)]
    told += [repr(vars(e.error)) for e in done(agents) if e.error]
    for text in told:
        assert PASSWORD not in text


def test_a_secret_in_a_plan_is_not_shown_either(agents: Agents, root: Path) -> None:
    with agents.session(plan=True) as session:
        conf = session.submit(File(f"{root}/conf", Secret(PASSWORD)))
        line = session.submit(Line(f"{root}/conf", "more"))
        assert (conf.state, line.state) == ("changed", "changed")
    assert PASSWORD not in repr(conf._answer)


def test_contents_that_the_controller_can_not_read_any_more(
    agents: Agents, root: Path, tmp_path: Path
) -> None:
    from provision.system.source import Source

    local = tmp_path / "local"
    local.write_text("x")
    source = Source.of_file(local)
    local.unlink()
    with agents.session() as session:
        with pytest.raises(StepFailed, match=r"on this machine: .*No such file"):
            session.submit(File(f"{root}/x", source)).wait()
        assert session.submit(File(f"{root}/y", "")).changed
    assert [p.name for p in root.iterdir()] == ["y"]


def test_an_agent_does_not_outlive_its_session(agents: Agents) -> None:
    with agents.session() as session:
        assert session.facts.user
        agent = agents.channels[0].agent
        assert Path(f"/proc/{agent}").exists()
    assert not Path(f"/proc/{agent}").exists()
    assert agents.channels[0].process.returncode == 0


@pytest.mark.parametrize("ahead", [0, 100, -100])
def test_how_far_the_clocks_differ_is_known(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    monkeypatch.setattr(
        "provision.controller.agent_conversation.time.time",
        lambda: time.clock_gettime(time.CLOCK_REALTIME) - ahead,
    )
    session = agents.start()
    assert abs(session.clock_off - ahead) < 60
    assert bool(session.clock_off) == bool(ahead)
    session.finish()
