"""Real agents as processes of this machine: everything is real but SSH and the place of the ledger."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from provision.controller.channel import Channel, ProcessChannel
from provision.controller.events import Event
from provision.controller.login import Login
from provision.controller.run_options import OnSend, RunOptions
from provision.controller.session import Session
from provision.system.memory.ledger import Ledger

HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Agents:
    """Starts sessions whose agents keep their ledger below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.events: list[Event] = []
        self.channels: list[Counted] = []

    def start(
        self,
        *,
        plan: bool = False,
        interpreter: str = sys.executable,
        wrap: Callable[[str], list[str]] = lambda command: ["sh", "-c", command],
        who: str = "test",
        on_send: OnSend | None = None,
        opening: Mapping[str, str] | None = None,
    ) -> Session:
        """A session with a new agent. wrap: the argv that runs the bootstrap's command."""

        def open_channel(command: str) -> Channel:
            channel = Counted(wrap(command))
            self.channels.append(channel)
            return channel

        login = Login(interpreter=interpreter, ledger=str(self.ledger))
        return Session(
            "local",
            open_channel,
            login,
            RunOptions(plan=plan, emit=self.events.append, on_send=on_send, opening=opening or {}, who=who),
        )

    @contextmanager
    def session(
        self,
        *,
        plan: bool = False,
        interpreter: str = sys.executable,
        wrap: Callable[[str], list[str]] = lambda command: ["sh", "-c", command],
    ) -> Iterator[Session]:
        """A session that is ended in good order, or abandoned if the test fails."""
        session = self.start(plan=plan, interpreter=interpreter, wrap=wrap)
        try:
            yield session
        except BaseException:
            self.channels[-1].kill()
            session.abandon()
            raise
        session.finish()

    def locked(self) -> bool:
        """Whether someone has the lock."""
        return Ledger(str(self.ledger)).busy()

    def close(self) -> None:
        """End what tests have left behind."""
        for channel in self.channels:
            if channel.process.poll() is None:
                channel.kill()
                channel.process.wait(60)
            for stream in (channel.process.stdin, channel.process.stdout, channel.process.stderr):
                assert stream is not None
                try:
                    stream.close()
                except BrokenPipeError:
                    continue


def wait_for(there: Callable[[], bool], seconds: float = 20) -> None:
    """Look often, until it is."""
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


class Counted(ProcessChannel):
    """Counts how often the talk turns: something was sent, then something awaited."""

    def __init__(self, argv: list[str]) -> None:
        super().__init__(argv)
        assert self.process.stdin is not None
        # as SSH, which takes the agent's whole program before a slow login has read any of it
        fcntl.fcntl(self.process.stdin, fcntl.F_SETPIPE_SZ, 1 << 20)
        self.turns = 0
        self.sent = 0
        self._talking = False

    def send(self, data: bytes) -> None:
        self._talking = True
        self.sent += 1
        super().send(data)

    @property
    def agent(self) -> int:
        """Number of the agent's process: python, below the sh that has started it."""
        found = self.process.pid
        while children := Path(f"/proc/{found}/task/{found}/children").read_text().split():
            if Path(f"/proc/{found}/comm").read_text().startswith("python"):
                break
            found = int(children[0])
        return found

    def kill(self) -> None:
        """End the agent as a power cut would."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(self.agent, signal.SIGKILL)

    def close(self) -> None:
        super().close()
        self.process.wait(60)

    def wait(self, timeout: float) -> bool:
        self.turns += self._talking
        self._talking = False
        return super().wait(timeout)


def private_etc(folder: Path, without: Sequence[str] = ()) -> Callable[[str], list[str]]:
    """Wraps an agent's command so that it has an /etc of its own, whose changes land in folder/etc, and a
    host name of its own (mount_namespaces(7), uts_namespaces(7)).

    without: programs that the agent does not find, whether or not this machine has them.
    """
    upper = folder / "etc"
    hidden = [Path(path).resolve() for name in without if (path := shutil.which(name, path=HOST_PATH))]

    def wrap(command: str) -> list[str]:
        # one for each agent: a mount empties it, and fails if another one does so at that moment
        work = tempfile.mkdtemp(prefix=f"{folder.name}-work-", dir=folder.parent)
        options = f"lowerdir=/etc,upperdir={upper},workdir={work}"
        mounts = [f"mount -t overlay overlay -o {shlex.quote(options)} /etc"]
        for program in hidden:
            # a folder of programs without it: in an overlay whose changes go with this agent
            changes = shlex.quote(str(folder.parent / f"{folder.name}-without-{program.name}"))
            layers = f"lowerdir={program.parent},upperdir={changes}/upper,workdir={changes}/work"
            mounts += [f"mkdir -p {changes}", f"mount -t tmpfs tmpfs {changes}"]
            mounts += [f"mkdir {changes}/upper {changes}/work"]
            mounts += [f"mount -t overlay overlay -o {layers} {program.parent}", f"rm {program}"]
        script = " && ".join([*mounts, "hostname before", f"exec {command}"])
        return ["unshare", "--mount", "--uts", "sh", "-c", script]

    return wrap
