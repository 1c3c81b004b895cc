"""Agents that are forked from the tests' process: a run takes a few milliseconds, so a property can draw hundreds.

Everything is real but SSH, the agent's start and the place of the ledger: the controller's session, its messages, the
agent's own main. tests/agent and tests/steps_more start agents as hosts do.
"""

from __future__ import annotations

import ast
import codecs
import importlib
import io
import itertools
import os
import pickle
import pkgutil
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TypeVar

import spaces
from pictures import Picture, photograph, photographs
from taking import outcomes_of

import provision.agent
import provision.steps
import provision.system
from provision.agent import resident as agent_main
from provision.controller.bootstrap import MODES
from provision.controller.channel import PIECE, LoggedIn
from provision.controller.login import Login
from provision.controller.outcome import Outcome
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.steps.base import Step
from provision.system.planned import planned_host as _planned  # noqa: F401 (loaded once, before any fork)

T = TypeVar("T")
#: folders of this machine that other programs change while a test runs
CHANGING = ("/etc", "/var/log")


def imported(module: ModuleType) -> Iterator[str]:
    """What a module imports: at its top, in functions, and for type checkers."""
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


# all before any fork: a process in a lab host's namespaces finds no file of this machine
for _package in (provision.agent, provision.steps, provision.system):
    for _module in pkgutil.walk_packages(_package.__path__, f"{_package.__name__}."):
        for _name in imported(importlib.import_module(_module.name)):
            importlib.import_module(_name)
for _encoding in ("ascii", "latin-1", "utf-8", "unicode_escape"):
    codecs.lookup(_encoding)


class Host:
    """A host below a folder. Each draw of a property begins with a new one.

    root: where steps act.  over: folders such as "/etc" of which the agent has its own: what it changes there lands
    below root, in a mount namespace of its own, which also has a host name and a network of its own.
    kept: what the kernel has of it lasts from run to run: mounts, rules, its name. From its first run on nothing is
    to be written by way of root then, only by does, sh and write (the kernel's overlayfs.rst, "Changes to underlying
    filesystems").
    """

    def __init__(
        self, folder: Path, over: Sequence[str] = (), *, lower: Callable[[str], Path], kept: bool = False
    ) -> None:
        self.folder = folder
        self._lower = lower
        self.root = folder / "root"
        self.over = tuple(over)
        self.kept = kept
        self._keeper = 0
        self.root.mkdir(parents=True, mode=0o755)
        for at in over:
            self.upper(at).mkdir(parents=True)
            self._work(at).mkdir(parents=True)

    def upper(self, folder: str) -> Path:
        """Where what has been changed in a folder of its own is seen."""
        return self.root / folder.strip("/")

    @property
    def ledger(self) -> str:
        """Where the agent keeps what it remembers, as it sees it."""
        return str(self.folder / "ledger")

    def run(self, *steps: Step, plan: bool = False) -> list[Outcome]:
        """What came of steps that one new agent took."""
        self._begin()
        channel = _Forked(self._enter, self.ledger)
        session = Session("t", channel.opened, Login(), RunOptions(plan=plan, who="test"))
        return outcomes_of(session, steps, channel.kill)

    def does(self, action: Callable[[], object]) -> None:
        """Do something on the host by other means than prov: in a process that sees what the agent sees."""
        self._begin()
        child = os.fork()
        if not child:
            _leave(lambda: self._entered(action))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, (
            "what happened to the host before has failed"
        )

    def _entered(self, action: Callable[[], object]) -> None:
        self._enter()
        action()

    def sh(self, script: str) -> None:
        """Run lines of sh on the host."""
        self.does(lambda: subprocess.run(["sh", "-ec", script], check=True, stdout=subprocess.DEVNULL))

    def sees(self, look: Callable[[], T]) -> T:
        """What a function finds on the host; it is called in a process that sees what the agent sees."""
        with tempfile.TemporaryFile() as to:

            def write() -> None:
                pickle.dump(look(), to)
                to.flush()

            self.does(write)
            to.seek(0)
            found: T = pickle.load(to)
        return found

    def write(self, path: str, data: str | bytes, mode: int = 0o644) -> None:
        """Put a file there by other means than prov, with the folders on the way."""

        def put() -> None:
            at = Path(path)
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(data.encode() if isinstance(data, str) else data)
            at.chmod(mode)

        self.does(put)

    def read(self, path: str) -> bytes:
        """What a file holds."""
        return self.sees(lambda: Path(path).read_bytes())

    def tells(self, *argv: str) -> str:
        """What a program prints on the host."""
        said = self.sees(lambda: subprocess.run(argv, check=True, capture_output=True).stdout)
        return said.decode("utf-8", "surrogateescape")

    def picture(self) -> Picture:
        """All that is below root, or in the host's own folders."""
        if not self.over:
            return photograph(self.root)
        return self.sees(lambda: photographs(*self.over))

    def remembered(self) -> bytes:
        """The ledger as it was last written; b"" if it never was."""

        def found() -> bytes:
            at = Path(self.ledger) / "ledger.json"
            return at.read_bytes() if at.exists() else b""

        return self.sees(found)

    def gone(self) -> None:
        """Remove it."""
        if self._keeper:
            os.kill(self._keeper, signal.SIGKILL)
            os.waitpid(self._keeper, 0)
        for at in self.root.rglob("*"):
            if at.is_file() and not at.is_symlink() and immutable(at):
                subprocess.run(["chattr", "-i", str(at)], check=True)
        shutil.rmtree(self.folder)

    def _work(self, folder: str) -> Path:
        return self.folder / ("work" + folder.replace("/", "-"))

    def _begin(self) -> None:
        """Make what lasts, if it has not been made."""
        if self.kept and not self._keeper:
            self._keeper = spaces.keep(self._make)

    def _make(self) -> None:
        """Give this process the host's own folders."""
        spaces.apart()
        for at in self.over:
            spaces.overlay(at, self._lower(at), self.upper(at), self._work(at))

    def _enter(self) -> None:
        """Have this process see what the host sees."""
        if self._keeper:
            spaces.join(self._keeper, "uts", "net", "mnt")
        elif self.over:
            self._make()


class Hosts:
    """Makes hosts; the last one goes when a new one comes.

    still: where copies of this machine's folders are kept.
    """

    def __init__(self, folder: Path, still: Path) -> None:
        self._folder = folder
        self._still = still
        self._numbers = itertools.count()
        self._host: Host | None = None

    def new(self, *over: str, kept: bool = False) -> Host:
        """A host with nothing below its root. over: folders, such as "/etc", of which it has its own.

        kept: see Host.
        """
        self.gone()
        for at in over:
            self._lower(at)
        folder = self._folder / str(next(self._numbers))
        self._host = Host(folder, over, lower=self._lower, kept=kept)
        return self._host

    def _lower(self, at: str) -> Path:
        """What a host's own folder begins as: a copy, if other programs change this machine's all the time."""
        if at not in CHANGING:
            return Path(at)
        copy = self._still / at.strip("/").replace("/", "-")
        if not copy.exists():
            # a file may go in the middle of it
            subprocess.run(["cp", "--archive", at, str(copy)], check=False)
        return copy

    def gone(self) -> None:
        """Remove the last one."""
        if self._host is not None:
            self._host.gone()
        self._host = None


def immutable(path: Path) -> bool:
    """Whether chattr(1) has made a file immutable."""
    said = subprocess.run(["lsattr", "-d", str(path)], capture_output=True, check=False)
    return said.returncode == 0 and b"i" in said.stdout.split()[0]


class _Forked(LoggedIn):
    """A channel to an agent that is a fork of this process (controller.channel.Channel)."""

    def __init__(self, enter: Callable[[], None], ledger: str) -> None:
        self._enter, self._ledger = enter, ledger
        self.out, self.err = bytearray(), bytearray(b"PROV:shell\n")
        self.eof = self.silent = False
        self._pid = 0

    def opened(self, command: str) -> _Forked:
        """Start it; the sh script that a login would run is left out."""
        ours, theirs = socket.socketpair()
        self._errors, errors = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            for fd, to in ((theirs.fileno(), 0), (theirs.fileno(), 1), (errors, 2)):
                os.dup2(fd, to)
            os.closerange(3, 1024)
            _leave(lambda: _serve(self._enter, self._ledger))
        theirs.close()
        os.close(errors)
        self._socket = ours
        self._selector = selectors.DefaultSelector()
        self._selector.register(ours, selectors.EVENT_READ, self.out)
        self._selector.register(self._errors, selectors.EVENT_READ, self.err)
        return self

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except BrokenPipeError:
            return

    def wait(self, timeout: float) -> bool:
        ready = self._selector.select(timeout)
        for key, _ in ready:
            try:
                data = os.read(key.fd, PIECE)
            except ConnectionResetError:
                data = b""
            key.data.extend(data)
            if not data:
                self._selector.unregister(key.fileobj)
                self.eof = self.eof or key.data is self.out
        return bool(ready)

    def end_input(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._selector.close()
        self._socket.close()
        os.close(self._errors)
        os.waitpid(self._pid, 0)

    def kill(self) -> None:
        """End the agent as a power cut would."""
        os.kill(self._pid, signal.SIGKILL)


def _serve(enter: Callable[[], None], ledger: str) -> None:
    """What the bootstrap does, in a fork: its program has been imported already."""
    incoming = open(0, "rb", closefd=False)  # noqa: SIM115 (a descriptor)
    assert incoming.readline() in MODES.values()
    size = int(incoming.readline())
    assert incoming.readline() == b"\n"
    incoming.read(size)
    enter()
    sys.stdin = io.TextIOWrapper(incoming)
    sys.meta_path.append(SimpleNamespace(modules={}, compiled=None, find_spec=lambda *found: None))
    agent_main.main(ledger)


def _leave(action: Callable[[], object]) -> None:
    """Do this in a fork, and nothing of what pytest would do after it."""
    status = 1
    try:
        action()
        status = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)
