"""What must not happen to files: half-written ones, links followed, memory filled; with real agents, as root."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from agent_sessions import Agents
from trees import photograph

from provision.controller.outcome import StepFailed
from provision.errors import UnreachableError
from provision.steps.command import Command
from provision.steps.files import Directory, File
from provision.steps.tree import Tree
from provision.system.source import Source

MB = 1024 * 1024


def zeros(folder: Path, megabytes: int) -> Path:
    """A large local file that takes no room."""
    at = folder / f"zeros-{megabytes}"
    with at.open("wb") as f:
        f.truncate(megabytes * MB)
    return at


# -- one step from the old contents to the new


def test_a_reader_sees_old_or_new_contents_and_nothing_else(agents: Agents, root: Path) -> None:
    at = root / "conf"
    texts = [letter * 200_000 for letter in "ab"]
    at.write_text(texts[0])
    seen: list[str] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            text = at.read_text()
            if text not in texts:
                seen.append(text[:20])

    reader = threading.Thread(target=read)
    reader.start()
    with agents.session() as session:
        for n in range(30):
            session.submit(File(str(at), texts[(n + 1) % 2])).wait()
    stop.set()
    reader.join()
    assert seen == []
    assert at.read_text() == texts[0]


def test_an_agent_killed_while_it_writes_leaves_the_old_file(
    agents: Agents, root: Path, tmp_path: Path
) -> None:
    at = root / "large"
    at.write_text("old")
    source = Source.of_file(zeros(tmp_path, 400))
    session = agents.start()
    session.submit(File(str(at), source))
    killer = threading.Thread(target=kill_when, args=[agents, root / ".large.prov-new"])
    killer.start()
    with pytest.raises(UnreachableError):
        session.finish()
    killer.join()
    assert at.read_text() == "old"
    assert (root / ".large.prov-new").exists()
    with agents.session() as second:
        assert second.submit(File(str(at), "new")).changed
    assert [p.name for p in root.iterdir()] == ["large"]
    assert at.read_text() == "new"


def kill_when(agents: Agents, begun: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if begun.exists() and begun.stat().st_size > MB:
            agents.channels[0].kill()
            return


def test_a_tree_that_was_cut_short_is_whole_after_the_next_run(
    agents: Agents, root: Path, tmp_path: Path
) -> None:
    entries = [(f"{n:02}", 0o644, Source.of(b"x" * n), "") for n in range(5)]
    large = ("large", 0o644, Source.of_file(zeros(tmp_path, 400)), "")
    session = agents.start()
    session.submit(Tree(f"{root}/app", [*entries, large]))
    killer = threading.Thread(target=kill_when, args=[agents, root / "app/.large.prov-new"])
    killer.start()
    with pytest.raises(UnreachableError):
        session.finish()
    killer.join()
    with agents.session() as second:
        outcome = second.submit(Tree(f"{root}/app", entries))
        assert [c[:3] for c in outcome.diff] == [("removed", ".large.prov-new", "")]
    assert sorted(p.name for p in (root / "app").iterdir()) == ["00", "01", "02", "03", "04"]


# -- full disks


@pytest.mark.parametrize("streamed", [True, False])
def test_a_full_disk_leaves_the_old_file(
    agents: Agents, small_disk: Path, tmp_path: Path, streamed: bool
) -> None:
    (small_disk / "conf").write_text("old")
    large = Source.of_file(zeros(tmp_path, 3)) if streamed else "x" * 3 * MB
    with agents.session() as session:
        with pytest.raises(StepFailed, match="no space left on device") as raised:
            session.submit(File(f"{small_disk}/conf", large)).wait()
        assert str(small_disk / "conf") in raised.value.message
        assert "df -h" in raised.value.hint
        assert session.submit(File(f"{small_disk}/small", "fits")).changed, "the session goes on"
    assert {p.name: p.read_text() for p in small_disk.iterdir()} == {"conf": "old", "small": "fits"}


def test_a_disk_that_fills_up_while_a_file_is_written(
    agents: Agents, small_disk: Path, tmp_path: Path
) -> None:
    """Contents whose size no one knew: the disk is full in the middle of them."""
    (small_disk / "conf").write_text("old")
    source = Source.of_file(zeros(tmp_path, 3))
    source.size = -1
    with agents.session() as session:
        with pytest.raises(StepFailed, match="no space left on device") as raised:
            session.submit(File(f"{small_disk}/conf", source)).wait()
        assert str(small_disk / "conf") in raised.value.message
        assert session.submit(File(f"{small_disk}/small", "fits")).changed
    assert {p.name: p.read_text() for p in small_disk.iterdir()} == {"conf": "old", "small": "fits"}


def test_a_full_disk_under_the_ledger_stops_no_step(agents: Agents, root: Path, small_disk: Path) -> None:
    agents.ledger.symlink_to(small_disk)
    (small_disk / "filler").write_bytes(b"")
    with pytest.raises(OSError, match="No space left"), (small_disk / "filler").open("wb") as f:
        f.write(b"x" * 2 * MB)
    with agents.session() as session:
        assert session.submit(File(f"{root}/x", "")).changed
    assert (root / "x").exists()


# -- memory


def test_large_files_pass_through_without_being_held(agents: Agents, root: Path, tmp_path: Path) -> None:
    local = zeros(tmp_path, 300)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    source = Source.of_file(local)
    with agents.session() as session:
        assert session.submit(File(f"{root}/large", source)).changed
        agent = peak(agents.channels[0].agent)
    assert (root / "large").stat().st_size == 300 * MB
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    assert agent < 100, "MB in the agent"
    assert after - before < 100, "MB in the controller"


def peak(pid: int) -> int:
    """The most memory that a process has had, MB (proc(5), VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) // 1024


# -- links and races


def test_a_folder_swapped_for_a_link_all_the_time_leads_nowhere(agents: Agents, root: Path) -> None:
    """A user's folder becomes a link to root's and back while root writes below it: nothing lands there."""
    theirs, private = root / "theirs", root / "private"
    private.mkdir()
    script = (
        "import os, sys\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "os.chdir(sys.argv[1])\n"
        "while True:\n"
        "    os.rename('way', 'dir'); os.symlink('../private', 'way')\n"
        "    os.unlink('way'); os.rename('dir', 'way')\n"
    )
    theirs.mkdir()
    (theirs / "way").mkdir()
    for at in (theirs, theirs / "way"):
        os.chown(at, 65534, 65534)
    for at in [root, *root.parents]:
        at.chmod(at.stat().st_mode | 0o711) if at.stat().st_uid == os.geteuid() and at != Path("/") else None
    swapper = subprocess.Popen([sys.executable, "-c", script, str(theirs)])
    states = set()
    try:
        with agents.session() as session:
            for n in range(300):
                outcome = session.submit(File(f"{theirs}/way/{n}", "x", ignore_errors="it is a race"))
                states.add(outcome.state)
        assert swapper.poll() is None, "the race was on all the time"
    finally:
        swapper.send_signal(signal.SIGKILL)
        swapper.wait()
    assert list(private.iterdir()) == []
    assert states <= {"changed", "failed"}


def test_modes_are_not_changed_through_a_link(agents: Agents, root: Path) -> None:
    (root / "private").mkdir(mode=0o700)
    (root / "conf").symlink_to("private")
    before = photograph(root / "private")
    with agents.session() as session:
        outcome = session.submit(Directory(f"{root}/conf", mode=0o777, ignore_errors="refused"))
        assert outcome.state == "failed"
    assert photograph(root / "private") == before


def test_new_secrets_are_never_readable_by_others(agents: Agents, root: Path) -> None:
    """Not even while they are written: the temporary file is 0600 until it has its mode and owner."""
    at, modes = root / "secret", set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for name in os.listdir(root):  # noqa: PTH208 (as fast as can be)
                try:
                    modes.add((root / name).lstat().st_mode & 0o777)
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with agents.session() as session:
            for n in range(20):
                session.submit(File(str(at), f"{n}" * 100_000, mode=0o600, owner="nobody")).wait()
    finally:
        stop.set()
        watcher.join()
    assert modes == {0o600}


def test_nothing_is_left_in_the_working_folders(agents: Agents, root: Path) -> None:
    with agents.session() as session:
        session.submit(File(f"{root}/conf", "x", validate_with=["true", "%s"]))
        session.submit(File(f"{root}/conf", "y", validate_with=["false", "%s"], ignore_errors="refused"))
        session.submit(Command(["ls", str(root)], reason="a test")).wait()
    assert [p.name for p in root.iterdir()] == ["conf"]
