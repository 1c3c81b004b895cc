"""One run at a time on a host, and whom its lock outlives (decision D6), with real agents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from agent_sessions import Agents, wait_for

from provision.errors import ProvError, UnreachableError
from provision.steps.command import Command
from provision.steps.files import File
from provision.system.memory.past_runs import Runs


def test_two_runs_at_once_on_one_host(agents: Agents, root: Path) -> None:
    first = agents.start(who="ann@desk (pid 7)")
    assert first.facts.python
    first.submit(File(f"{root}/x", "")).wait()
    second = agents.start(who="bob@desk (pid 8)")
    with pytest.raises(
        ProvError, match=r"another run is at work on this host: ann@desk \(pid 7\), since"
    ) as raised:
        second.submit(File(f"{root}/y", "")).wait()
    assert "Wait until it ends" in raised.value.hint
    assert second.ended
    with pytest.raises(UnreachableError, match="has ended"):  # and does not wait for ever
        second.wait_for_all()
    second.finish()
    with agents.session(plan=True) as planned:
        assert planned.submit(File(f"{root}/y", "")).changed, "a plan takes no lock"
    first.finish()
    with agents.session() as third:
        assert third.submit(File(f"{root}/y", "")).changed


def test_a_killed_agent_leaves_no_lock(agents: Agents, root: Path) -> None:
    session = agents.start()
    assert session.submit(File(f"{root}/x", "")).changed
    agents.channels[0].kill()
    with pytest.raises(UnreachableError):
        session.submit(File(f"{root}/y", "")).wait()
    session.abandon()
    with agents.session() as second:
        assert second.submit(File(f"{root}/y", "")).changed
    runs = list(Runs(str(agents.ledger)).all())
    assert [bool(run["ended"]) for run in runs] == [False, True], "the dead run is remembered as such"
    assert runs[1]["changed"] == [f"file {root}/y"]


#: until a test touches `end`, or its folder, which has that, is gone again before anyone has looked
WAITS = "while [ -d {0} ] && ! [ -e {0}/end ]; do sleep 0.02; done"


def test_what_a_killed_agent_has_left_at_work_keeps_the_lock(agents: Agents, root: Path) -> None:
    session = agents.start()
    assert session.submit(File(f"{root}/x", "")).changed
    script = f"touch {root}/at-work; exec 1>&- 2>&-; {WAITS.format(root)}"
    session.submit(Command(["sh", "-c", script], reason="a test"))
    wait_for((root / "at-work").exists)
    agents.channels[0].kill()
    with pytest.raises(UnreachableError):
        session.submit(File(f"{root}/y", "")).wait()
    session.abandon()
    second = agents.start()
    with pytest.raises(ProvError, match="another run is at work on this host") as raised:
        second.submit(File(f"{root}/y", "")).wait()
    assert "the last command that it has started" in raised.value.hint
    second.finish()
    (root / "end").touch()
    wait_for(lambda: not agents.locked())
    with agents.session() as third:
        assert third.submit(File(f"{root}/y", "")).changed


def test_what_a_run_has_left_in_the_background_keeps_no_lock(agents: Agents, root: Path) -> None:
    script = f"({WAITS.format(root)}) & touch {root}/at-work"
    try:
        with agents.session() as session:
            assert session.submit(Command(["sh", "-c", script], reason="a test")).changed
        with agents.session() as second:
            assert second.submit(File(f"{root}/y", "")).changed
    finally:
        (root / "end").touch()


#: a process takes the lock and dies; a command that it has started has it still
HOLDER = """
import os, sys, time
from provision.system.memory.ledger import Ledger
home = sys.argv[1]
if os.fork() == 0:
    ledger = Ledger(home)
    ledger.lock()
    if os.fork() == 0:
        time.sleep(0.5)
    os._exit(0)
os.wait()
assert Ledger(home).busy()
end = time.monotonic() + 20
while Ledger(home).busy():
    assert time.monotonic() < end
    time.sleep(0.01)
Ledger(home).lock()
"""


@pytest.mark.trust("8", "dead-run-in-a-container")
def test_a_container_sees_what_a_dead_run_has_left_at_work(tmp_path: Path) -> None:
    """/proc/locks leaves out what was locked by a process of another namespace, or one that is gone."""
    inside = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", HOLDER, str(tmp_path)]
    subprocess.run(inside, check=True, timeout=60)
