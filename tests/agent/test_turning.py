"""Processes that make way: a front's after a reload, a user's before it goes; connections that are left."""

from __future__ import annotations

import pwd
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from agent_sessions import wait_for

from provision.errors import StepError
from provision.steps.support import process_ends
from provision.system import front_reload
from provision.system.host import System

#: a main process: it keeps one child, and another one after each line that it reads
MAIN = """
import subprocess, sys
def child(): return subprocess.Popen(["sleep", "60"])
now = child()
print("ready", flush=True)
for line in sys.stdin:
    new = child()
    if "stays" not in line:
        now.kill(); now.wait()
    now = new
for each in [now]: each.kill()
"""


@pytest.fixture
def main() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    for pid in front_reload.children(process.pid):
        subprocess.run(["kill", str(pid)], check=False)
    process.communicate(timeout=30)


def reload(main: subprocess.Popen[str], how: str, after: float = 0.0) -> None:
    def tell() -> None:
        assert main.stdin is not None
        time.sleep(after)
        main.stdin.write(how + "\n")
        main.stdin.flush()

    threading.Thread(target=tell).start()


def test_it_waits_until_the_old_processes_are_gone(main: subprocess.Popen[str]) -> None:
    before = front_reload.serving(main.pid)
    assert len(before) == 1
    reload(main, "now", after=0.3)
    began = time.monotonic()
    front_reload.await_turn("front", main.pid, before, lambda: "")
    assert time.monotonic() - began > 0.2
    assert not set(before) & set(front_reload.serving(main.pid))


def test_old_ones_that_only_finish_are_not_waited_for(
    main: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_reload, "FINISHES", 0.1)
    before = front_reload.serving(main.pid)
    reload(main, "stays")
    front_reload.await_turn("front", main.pid, before, lambda: "")


def test_a_front_that_does_not_turn_is_an_error(
    main: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_reload, "TURNS", 0.2)
    with pytest.raises(StepError, match="still serves with its earlier configuration") as raised:
        front_reload.await_turn("front", main.pid, front_reload.serving(main.pid), lambda: "its journal")
    assert raised.value.stderr == "its journal"


def test_connections_that_are_open_are_counted(tmp_path: Path) -> None:
    path = str(tmp_path / "a b.sock")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        assert front_reload.connected(path) == 0
        client.connect(path)
        taken, _ = server.accept()
        with taken:
            assert front_reload.connected(path) == 1
            began = time.monotonic()
            front_reload.await_quiet([path], 0.2)
            assert time.monotonic() - began >= 0.2
    wait_for(lambda: front_reload.connected(path) == 0)
    front_reload.await_quiet([path], 30)


#: a deploy's host, as far as it is asked
DEPLOY = cast(System, SimpleNamespace(planned=False))
#: a user that no other test has processes of
NEWS = pwd.getpwnam("news").pw_uid


def test_a_user_with_processes_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_ends, "ENDS", 0.2)
    process = subprocess.Popen(["sleep", "61"], user="news")
    try:
        with pytest.raises(
            StepError, match=rf"processes of the user news still run: {process.pid} \(sleep 61\)"
        ):
            process_ends.await_ends(DEPLOY, "news", NEWS)
    finally:
        process.kill()
        process.wait()
    process_ends.await_ends(DEPLOY, "news", NEWS)


@pytest.mark.trust("9", "process-in-a-container")
def test_processes_of_another_root_are_not_of_this_user(tmp_path: Path) -> None:
    """A container's users may have ids of this host's users; its processes are none of this host's (userdel(8))."""
    news = pwd.getpwnam("news")
    for part in ("bin", "lib", "lib64", "usr"):
        (tmp_path / part).mkdir()
    script = f"""
for each in bin lib lib64 usr; do mount --bind /$each {tmp_path}/$each; done
exec chroot --userspec={news.pw_uid}:{news.pw_gid} {tmp_path} /bin/sleep 61
"""
    inside = subprocess.Popen(["unshare", "--mount", "sh", "-c", script])
    try:
        while Path(f"/proc/{inside.pid}/comm").read_text() != "sleep\n":
            time.sleep(0.01)
        assert Path(f"/proc/{inside.pid}/status").read_text().split("Uid:\t")[1].startswith(str(news.pw_uid))
        process_ends.await_ends(DEPLOY, "news", NEWS)
    finally:
        inside.kill()
        inside.wait()
