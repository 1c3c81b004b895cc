"""Cutting runs: `prov deploy --step` stops before each step, and one side or the other is ended there, or after it."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from helpers.cli import PROV
from provision.lab import cgroup, store

#: what prov asks, and the step it means: "web1: nginx: file /etc/nginx/nginx.conf  (roles/nginx/__init__.py:14)",
#: which is on the line of the question before if there was nothing to say about that step
QUESTION = b"run it? [y/n/c]"
STEP = re.compile(rb"(?:^|\[y/n/c\] )\S+: (.*?)(?:  \(\S+\))?(?=\n  run it\?)", re.MULTILINE)
#: by this the agent's process is known
FIRST_WORDS = b"program = json.loads(text)"
#: seconds in which prov has to say something, or to end: longer than it bears a silent link
PATIENCE = 120.0


class Stepped:
    """A deploy on a terminal of its own, with someone who is asked before each step."""

    def __init__(self, folder: Path, host: str) -> None:
        self._terminal, theirs = os.openpty()
        self.process = subprocess.Popen(
            [PROV, "deploy", "--step", host],
            cwd=folder,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TERM": "dumb"},
        )
        os.close(theirs)
        self.said = b""

    def questions(self) -> Iterator[str]:
        """Role and label of each step that is asked about; whoever takes it has to answer before the next one."""
        asked = 0
        while self._read():
            asks = self.said.count(QUESTION)
            if asks > asked:
                asked = asks
                yield STEP.findall(self.said)[-1].decode()

    def answer(self, word: str) -> None:
        os.write(self._terminal, word.encode() + b"\n")

    def _read(self) -> bool:
        """Take what has been said; False at the end of it. Raises AssertionError if nothing comes."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        assert ready, f"silent for {PATIENCE:g} s after {self.said!r}"
        data = os.read(self.process.stdout.fileno(), 65536)
        self.said += data
        return bool(data)

    def end(self) -> int:
        """Read to the end; returns the exit status. Raises AssertionError if it does not end in time."""
        deadline = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < deadline, self.said
        status = self.process.wait(10)
        self.close()
        return status

    def close(self) -> None:
        """Have it gone, whatever state it is in."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        if self._terminal >= 0:
            os.close(self._terminal)
        self._terminal = -1


# -- the kinds of cuts: each gets the host's name and the run, and returns what brings the way to the host back

Back = Callable[[], None]


def controller(host: str, run: Stepped) -> Back:
    run.process.kill()
    return _nothing


def agent(host: str, run: Stepped) -> Back:
    os.kill(_agent(host), signal.SIGKILL)
    return _nothing


def sshd(host: str, run: Stepped) -> Back:
    """Not all of sshd: what serves this connection."""
    process = _agent(host)
    while not _said("comm", process).startswith(b"sshd"):
        process = _parent(process)
    os.kill(process, signal.SIGKILL)
    return _nothing


def link(host: str, run: Stepped) -> Back:
    """What is sent to the host, and what it sends, is dropped without a word."""
    found = store.find(host)
    assert found is not None
    table = f"inet cut_{host.replace('-', '_')}"
    mend(host)
    rules = (
        f"add table {table}",
        f"add chain {table} in {{ type filter hook input priority 0; }}",
        f"add chain {table} out {{ type filter hook output priority 0; }}",
        f"add rule {table} in ip saddr {found.address} drop",
        f"add rule {table} out ip daddr {found.address} drop",
    )
    _run("nft", "; ".join(rules))
    return lambda: mend(host)


def mend(host: str) -> None:
    """Let everything through to a host, whoever has dropped it: a test that was killed may have left that."""
    table = f"inet cut_{host.replace('-', '_')}"
    _run("nft", f"add table {table}; delete table {table}")


def link_and_controller(host: str, run: Stepped) -> Back:
    """A notebook that is closed: neither side hears of the other's end."""
    back = link(host, run)
    run.process.kill()
    return back


def power(host: str, run: Stepped) -> Back:
    """All of the host's processes end at once; its disk is as it is."""
    cgroup.end(store.current().cgroup(host), remove=False)
    return lambda: _run(PROV, "lab", "up", host)


KINDS: Mapping[str, Callable[[str, Stepped], Back]] = {
    "controller killed": controller,
    "agent killed": agent,
    "sshd's session killed": sshd,
    "link dropped": link,
    "link dropped, controller killed": link_and_controller,
    "power cut": power,
}


def _nothing() -> None:
    pass


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (argv, done.stderr)


def _agent(host: str) -> int:
    """The agent's process on a lab host, as this machine sees it. Raises ProcessLookupError."""
    group = store.current().cgroup(host)
    processes = [int(word) for path in group.rglob("cgroup.procs") for word in path.read_text().split()]
    found = {
        pid
        for pid in processes
        if FIRST_WORDS in _said("cmdline", pid) and _said("comm", pid)[:6] == b"python"
    }
    # a child that has not become another program yet looks the same
    first = [pid for pid in found if _parent(pid) not in found]
    if not first:
        raise ProcessLookupError(f"no agent on {host}")
    return first[0]


def running_agent(host: str) -> int:
    """The same; 0 if there is none."""
    try:
        return _agent(host)
    except (ProcessLookupError, IndexError):
        return 0


def _said(what: str, pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _parent(pid: int) -> int:
    return int(re.findall(rb"^PPid:\s*(\d+)", _said("status", pid), re.MULTILINE)[0])
