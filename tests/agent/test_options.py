"""The options that every step takes: retries, as_user, and secrets in what commands get."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mounts
import pytest
from agent_sessions import Agents, Counted, wait_for
from test_cases import submit

from provision.controller.events import StepRunning
from provision.controller.outcome import Outcome
from provision.errors import ConfigError, UnreachableError
from provision.secrets import Secret
from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.files import Absent, Directory, File, Link
from provision.steps.script import Script
from provision.steps.users import User

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users can reach, with one in it that is nobody's."""
    folder = Path(tempfile.mkdtemp(prefix="prov-test-", dir=mounts.parent()))
    folder.chmod(0o755)
    (folder / "theirs").mkdir(mode=0o755)
    os.chown(folder / "theirs", NOBODY.pw_uid, NOBODY.pw_gid)
    yield folder
    shutil.rmtree(folder)


def run(agents: Agents, *steps: Step, plan: bool = False) -> list[Outcome]:
    with agents.session(plan=plan) as session:
        return [submit(session, step) for step in steps]


# -- retries


def counting(root: Path, good: int) -> str:
    """A script that works from its nth run on."""
    return f'echo x >> {root}/tries; [ "$(wc -l < {root}/tries)" -ge {good} ] && echo ready'


def test_a_step_that_fails_is_tried_again(agents: Agents, root: Path) -> None:
    argv = ["sh", "-c", counting(root, 3)]
    (done,) = run(agents, Command(argv, reason="a test", retries=5, delay=0.01))
    assert (done.state, done.why, done.stdout) == ("changed", "a test; at try 3", "ready\n")
    assert (root / "tries").read_text() == "x\n" * 3


def test_until_decides_what_counts_as_failed(agents: Agents, root: Path) -> None:
    script = f"echo x >> {root}/tries; wc -l < {root}/tries"
    (done,) = run(agents, Command(["sh", "-c", script], reason="a test", until="^4$", retries=5, delay=0.01))
    assert (done.why, done.stdout) == ("a test; at try 4", "4\n")


def test_the_last_failure_is_the_one_that_counts(agents: Agents, root: Path) -> None:
    argv = ["sh", "-c", f"echo x >> {root}/tries; wc -l < {root}/tries; exit 7"]
    step = Command(argv, reason="a test", retries=2, delay=0.01, ignore_errors="a test")
    (failed,) = run(agents, step)
    assert failed.failed
    assert failed.error is not None and (failed.error.status, failed.error.stdout) == (7, "3")
    assert failed.stdout == "3\n", "output of a failed command is there for those who ignore the failure"


def test_each_try_has_the_whole_timeout(agents: Agents, root: Path) -> None:
    argv = ["sh", "-c", f"{counting(root, 2)} || sleep 30"]
    (done,) = run(agents, Command(argv, reason="a test", timeout=1, retries=1, delay=0))
    assert done.state == "changed"


def test_what_a_failed_try_has_changed_is_a_change(agents: Agents, root: Path) -> None:
    """The second try finds nothing to do; units that depend on the step still see the first one."""
    script = f"touch {root}/made; sleep 30"
    step = Command(["sh", "-c", script], creates=f"{root}/made", timeout=0.5, retries=1, delay=0)
    later = Command(["true"], when=[])
    with agents.session() as session:
        first = submit(session, step)
        second = submit(session, Command(["true"], when=[first]))
    assert (first.state, first.why) == ("changed", "at try 2")
    assert second.state == "changed"
    assert later.when == []


def test_every_kind_of_step_can_be_tried_again(agents: Agents, root: Path) -> None:
    """The folder comes while the step waits; people see why nothing seems to happen."""
    maker = ["sh", "-c", f"(sleep 1.5; mkdir {root}/late) >/dev/null 2>&1 &"]
    wanted = File(f"{root}/late/file", "x\n", retries=60, delay=0.1)
    made, file = run(agents, Command(maker, reason="a test"), wanted)
    assert made.state == "changed"
    assert file.state == "changed" and "at try" in file.why
    said = [event.text for event in agents.events if isinstance(event, StepRunning)]
    assert any("late does not exist; try" in text for text in said), said


def test_mistakes_in_a_step_are_not_tried_again(agents: Agents, root: Path) -> None:
    (failed,) = run(agents, Command(["ls"], stamp=(f"{root}/a", 5), retries=100, delay=1))  # type: ignore[arg-type]
    assert failed.error is not None and "the step is at fault" in failed.error.message


# -- as_user


def test_what_a_user_makes_is_theirs(agents: Agents, shared: Path) -> None:
    at = f"{shared}/theirs"
    steps = [
        Directory(f"{at}/folder", as_user="nobody"),
        File(f"{at}/folder/file", "x\n", as_user="nobody"),
        Link(f"{at}/link", "folder/file", as_user="nobody"),
        Command(
            ["sh", "-c", f"id -un; id -G; touch {at}/touched"], creates=f"{at}/touched", as_user="nobody"
        ),
        Script(f"#!/bin/sh\nid -un; touch {at}/script\n", creates=f"{at}/script", as_user="nobody"),
        File(f"{shared}/root", "x\n"),
    ]
    planned = run(agents, *steps, plan=True)
    assert list((shared / "theirs").iterdir()) == []
    real = run(agents, *steps)
    assert [o.state for o in real] == [o.state for o in planned] == ["changed"] * 6, [o.error for o in real]
    assert [o.diff for o in real] == [o.diff for o in planned]
    assert real[3].stdout == f"nobody\n{NOBODY.pw_gid}\n"
    assert real[4].stdout == "nobody\n"
    made = [shared / "theirs" / name for name in ("folder", "folder/file", "link", "touched", "script")]
    assert {(p.lstat().st_uid, p.lstat().st_gid) for p in made} == {(NOBODY.pw_uid, NOBODY.pw_gid)}
    assert (shared / "root").stat().st_uid == 0, "the next step is root's again"
    assert [o.state for o in run(agents, *steps)] == ["ok"] * 6


@pytest.mark.parametrize(
    ("step", "what"),
    [
        (lambda at: File(f"{at}/file", "x\n", as_user="nobody"), "permission denied"),
        (lambda at: Absent(f"{at}/precious", as_user="nobody"), "permission denied"),
        (lambda at: File(f"{at}/theirs/to_root/file", "x\n", as_user="nobody"), "permission denied"),
        (
            lambda at: File(f"{at}/theirs/file", "x\n", owner="root", as_user="nobody"),
            "operation not permitted",
        ),
    ],
    ids=["write", "remove", "through_a_link_of_theirs", "give_away"],
)
def test_the_kernel_refuses_what_the_user_may_not(agents: Agents, shared: Path, step: Any, what: str) -> None:
    (shared / "precious").write_text("x\n")
    (shared / "for_root").mkdir(mode=0o700)
    (shared / "theirs/to_root").symlink_to(shared / "for_root")
    os.chown(shared / "theirs/to_root", NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)
    (failed,) = run(agents, step(shared))
    assert failed.error is not None and what in failed.error.message
    assert failed.error.hint == "The step acts as nobody (as_user): may they?"
    assert (shared / "precious").exists()
    assert list((shared / "for_root").iterdir()) == []


def test_a_command_of_the_user_can_not_become_root_again(agents: Agents, shared: Path) -> None:
    script = (
        "import os; print(os.getresuid(), os.getresgid(), os.getgroups())\n"
        "try: os.seteuid(0)\nexcept OSError: print('no')"
    )
    argv = ["python3", "-c", script]
    (done,) = run(agents, Command(argv, reason="a test", as_user="nobody"))
    uid, gid = NOBODY.pw_uid, NOBODY.pw_gid
    assert done.stdout == f"{(uid,) * 3} {(gid,) * 3} [{gid}]\nno\n"


def test_a_user_whom_the_same_plan_adds(agents: Agents, shared: Path) -> None:
    steps = [
        User("prov-new", home=f"{shared}/home"),
        Command(["touch", f"{shared}/x"], unless=["true"], as_user="prov-new"),
        File(f"{shared}/theirs/file", "x\n", as_user="prov-new"),
    ]
    assert [o.state for o in run(agents, *steps, plan=True)] == ["changed"] * 3


def test_no_such_user(agents: Agents, shared: Path) -> None:
    for plan in (True, False):
        (failed,) = run(agents, File(f"{shared}/a", "x\n", as_user="prov-nobody"), plan=plan)
        assert failed.error is not None
        assert failed.error.message == "there is no user 'prov-nobody' on this host"


# -- arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retries": -1}, "retries must be a whole number"),
        ({"retries": True}, "retries must be a whole number"),
        ({"delay": "2"}, "delay must be a number of seconds"),
        ({"timeout": float("inf")}, "timeout must be a number of seconds"),
        ({"as_user": "a\nb"}, "as_user must be one line"),
        ({"ignore_errors": True}, "ignore_errors must be text"),
        ({"when": "changed"}, "when must be a list of outcomes"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    agents: Agents, options: dict[str, Any], message: str
) -> None:
    with agents.session() as session, pytest.raises(ConfigError, match=message):
        session.submit(File("/tmp/x", "x\n", **options))


def test_secrets_of_a_command_show_nowhere(agents: Agents, root: Path) -> None:
    """In what it prints, how it fails, what it says in the meantime, and in the ledger."""
    steps: list[Step] = [
        Command(
            ["sh", "-c", 'echo "$TOKEN"; cat; echo "$TOKEN" >&2; sleep 1.5'],
            environment={"TOKEN": Secret("hunter22")},
            stdin=Secret("correct horse\nbattery staple"),
            reason="a test",
        ),
        Script(
            "#!/bin/sh\ncat; exit 3\n", stdin=Secret("correct horse"), reason="a test", ignore_errors="a test"
        ),
    ]
    first, second = run(agents, *steps)
    assert first.stdout == "********\n********" and first.stderr == "********\n"
    assert second.stdout == "********" and second.error is not None and second.error.stdout == "********"
    shown = repr(agents.events) + "".join(p.read_text() for p in agents.ledger.rglob("*") if p.is_file())
    for secret in ("hunter22", "correct", "battery"):
        assert secret not in shown


def test_a_secret_is_no_argument(agents: Agents) -> None:
    argv: list[Any] = ["mysql", Secret("hunter22")]
    with (
        agents.session() as session,
        pytest.raises(ConfigError, match="every user of the host sees it") as raised,
    ):
        session.submit(Command(argv, reason="a test"))
    assert "hunter22" not in str(raised.value)


def test_a_script_leaves_nothing_behind(agents: Agents, root: Path) -> None:
    """Nor does one whose agent was killed, once another one has run."""
    where = 'echo "$0"\n'
    (failed,) = run(agents, Script(f"#!/bin/sh\n{where}sleep 30\n", reason="a test", timeout=0.5))
    assert failed.error is not None
    assert not Path(failed.error.stdout).parent.exists()
    session = agents.start()
    outcome = session.submit(Script(f"#!/bin/sh\ntouch {root}/begun; sleep 5\n", reason="a test"))
    killer = threading.Thread(target=kill_when, args=(root / "begun", agents.channels[-1]))
    killer.start()
    with pytest.raises(UnreachableError):
        outcome.wait()
    killer.join()
    left = [p for p in Path("/dev/shm").glob("prov-script-*") if "begun" in (p / "script").read_text()]
    assert len(left) == 1
    wait_for(lambda: not agents.locked())
    run(agents, Script("#!/bin/sh\n", reason="a test"))
    assert not left[0].exists()


def kill_when(begun: Path, channel: Counted) -> None:
    wait_for(begun.exists)
    channel.kill()
