"""Runs a command and measures it: seconds, CPU of it and its children, memory of its session."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE = 0.05


@dataclass(frozen=True)
class Command:
    """What a tool is started with."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass(frozen=True)
class Run:
    """One run. cpu: seconds of the command and the children it waited for. rss: of its largest process, MB.

    memory: MB of all processes of its session at once (PSS), and threads: both 0 unless they were sampled.
    """

    seconds: float
    cpu: float
    rss: float
    status: int
    output: str
    memory: float = 0.0
    threads: int = 0


class Failed(Exception):
    """A command that was to be measured failed or took too long."""


def run(command: Command, *, timeout: float, sample: bool = False, expect: int = 0) -> Run:
    """Run to the end. sample: also watch memory and threads, which costs a little CPU. expect: exit status.

    Raises Failed.
    """
    with tempfile.TemporaryFile() as out:
        began = time.monotonic()
        process = subprocess.Popen(
            command.argv,
            env={**plain_environment(), **command.env},
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        late = threading.Event()
        timer = threading.Timer(timeout, _kill, (process.pid, late))
        timer.start()
        watch = Watch(process.pid) if sample else None
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            _kill(process.pid, late)
            raise
        finally:
            timer.cancel()
            peak, threads = watch.stop() if watch else (0.0, 0)
        out.seek(0)
        text = out.read().decode(errors="replace")
    if late.is_set():
        raise Failed(f"{command.argv[0]} took more than {timeout:.0f} s:\n{text[-3000:]}")
    if process.returncode != expect:
        raise Failed(f"{command.argv[0]} ended with {process.returncode}:\n{text[-6000:]}")
    return Run(
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        process.returncode,
        text,
        peak,
        threads,
    )


def plain_environment() -> dict[str, str]:
    """Ours, without what changes how Python starts: PYTHONDONTWRITEBYTECODE would have prov compiled in each run,
    while installed packages come compiled."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _kill(session: int, late: threading.Event) -> None:
    late.set()
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


class Watch:
    """Samples the memory and threads of a session's processes from a thread."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._peak = 0.0
        self._threads = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> tuple[float, int]:
        """The peaks: MB, threads."""
        self._done.set()
        self._thread.join()
        return self._peak, self._threads

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE):
            memory, threads = 0, 0
            for pid in session_pids(self._session):
                with suppress(OSError, ValueError, IndexError):
                    status = Path(f"/proc/{pid}/smaps_rollup").read_text()
                    memory += int(status.split("Pss:", 1)[1].split()[0])
                    threads += int(stat_fields(pid)[17])
            self._peak = max(self._peak, memory / 1024)
            self._threads = max(self._threads, threads)


def session_pids(session: int) -> list[int]:
    """Processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                if int(stat_fields(int(entry.name))[3]) == session:
                    found.append(int(entry.name))
    return found


def stat_fields(pid: int) -> list[str]:
    """/proc/PID/stat from the state on (proc(5): field 3 is index 0)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
