"""The agent: one process on the host per run. Takes steps in order, answers with what came of them. Shipped."""

import collections
import os
import queue
import signal
import sys
import threading
import time
import zlib
from typing import IO, Any, Dict, Generator, Optional

from provision.agent import caches, facts
from provision.agent.caches import Hashes
from provision.agent.compiled import Compiled
from provision.agent.guard import Guard, confirm, settle_earlier
from provision.agent.ledger import HOME, Ledger, now
from provision.agent.masks import Masks
from provision.agent.protocol import (
    LENGTHS,
    MARKER,
    MAX_HEADER,
    MAX_PAYLOAD,
    VERSION,
    Frame,
    ProtocolError,
    pack,
    unpack,
)
from provision.agent.runner import Runner, describe
from provision.agent.system import System
from provision.errors import ProvError, StepError
from provision.steps.source import Source

#: a step that runs longer than this is announced; shorter ones are only reported when done
ANNOUNCE = 0.2
#: the controller takes silence much longer than this for a lost link
HEARTBEAT = 5.0


class Link:
    """Frames in and out of the agent's streams.

    A thread reads all the time, so that the controller's writes never wait for a step. Frames out are
    gathered and flushed when there is nothing left to do, by the heartbeat, or when they must go at once.
    """

    def __init__(self, incoming: IO[bytes], outgoing: IO[bytes]) -> None:
        self._in = incoming
        self._out = outgoing
        self._lock = threading.Lock()
        self._pending = bytearray()
        self.frames: "queue.Queue[Optional[Frame]]" = queue.Queue()
        # bounded: a large file waits in the SSH window, not in memory
        self.chunks: "queue.Queue[Optional[Frame]]" = queue.Queue(maxsize=16)
        self.verdicts: "queue.Queue[Optional[Frame]]" = queue.Queue()
        self.stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, head: Dict[str, Any], payload: bytes = b"", flush: bool = False) -> None:
        """Queue a frame. A controller that is gone is noticed by the reading side."""
        with self._lock:
            self._pending += pack(head, payload)
        if flush or len(self._pending) > 65536:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            data, self._pending = self._pending, bytearray()
            if data:
                try:
                    self._out.write(data)
                    self._out.flush()
                except BrokenPipeError:
                    # the link is gone: the running step ends, the reader has set `stopping`
                    self.stopping.set()

    def _read(self) -> None:
        try:
            while True:
                frame = self._frame()
                if frame is None:
                    break
                if frame.head["op"] == "stop":
                    self.stopping.set()
                elif frame.head["op"] == "chunk":
                    self.chunks.put(frame)
                elif frame.head["op"] == "verdict":
                    self.verdicts.put(frame)
                else:
                    self.frames.put(frame)
        finally:
            self.stopping.set()
            self.frames.put(None)
            self.chunks.put(None)
            self.verdicts.put(None)

    def _frame(self) -> Optional[Frame]:
        lengths = self._in.read(LENGTHS.size)
        if len(lengths) < LENGTHS.size:
            return None
        header, payload = LENGTHS.unpack(lengths)
        if header > MAX_HEADER or payload > MAX_PAYLOAD:
            raise ProtocolError("a frame of %d + %d bytes" % (header, payload))
        rest = self._in.read(header + payload)
        frame, _ = unpack(lengths + rest)
        return frame


class Agent:
    """Runs the steps of one run against a System. caching: use what earlier runs have kept to save time, and
    keep some for later ones."""

    def __init__(self, link: Link, host_facts: Dict[str, Any], ledger_home: str, *, caching: bool) -> None:
        self.link = link
        self.facts = host_facts
        self.ledger_home = ledger_home
        self.caching = caching
        self._started = 0.0
        self._step = 0
        self._announced = 0
        self._last_words = ""
        self._text = ""
        self._masks = Masks()

    # -- what steps may ask of the controller (system.Controller)

    def fetch(self, source: Source, request: bytes = b"") -> Generator[bytes, None, None]:
        """The contents of a source, in pieces, as the controller sends them."""
        if source.open is not None:
            # made on this host, by a step that edits a file
            with source.open(request) as f:
                yield f.read()
            return
        self.link.send({"op": "need", "key": source.key}, request, flush=True)
        last = False
        try:
            while not last:
                frame = self._chunk()
                last = frame.head["last"]
                if frame.head.get("error"):
                    raise StepError(frame.head["error"], hint=frame.head.get("hint", ""))
                if frame.payload:
                    yield frame.payload
        finally:
            # whoever stops taking (a full disk) must not leave the rest to the next fetch
            while not last:
                last = self._chunk().head["last"]

    def _chunk(self) -> Frame:
        frame = self.link.chunks.get()
        if frame is None:
            self.link.chunks.put(None)
            raise StepError("the controller went away while it was sending a file")
        return frame

    def prove(self, token: str, seconds: float) -> str:
        """Have the controller log in anew and confirm a token there (guard.py); "" or why it could not."""
        self.link.send({"op": "prove", "token": token}, flush=True)
        end = time.monotonic() + seconds
        while True:
            try:
                frame = self.link.verdicts.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return "no word of it within %g s" % seconds
            if frame is None:
                self.link.verdicts.put(None)
                return "the controller went away"
            if frame.head["token"] == token:
                why: str = frame.head["why"]
                return why

    def progress(self, text: str) -> None:
        """The last line of what a long command prints; sent with the next heartbeat."""
        self._text = self._masks.hide(text)

    # -- the run

    def run(self) -> None:
        """Take the start message, then steps until there are no more."""
        start = self.link.frames.get()
        if start is None:
            return
        if "confirm" in start.head:
            confirm(self.ledger_home, start.head["confirm"])
            self.link.send({"op": "bye"}, flush=True)
            return
        # a command of `prov run` is no run to be remembered: "free" without the lock, or "locked"
        aside = start.head.get("aside", "")
        recorded = not start.head["plan"] and not aside
        try:
            ledger = Ledger(self.ledger_home)
            if not start.head["plan"] and aside != "free":
                ledger.lock()
                ledger.sign(start.head["who"], start.head.get("commit", ""))
            if recorded:
                ledger.keep_damaged()
        except (ProvError, OSError) as error:
            said = describe(error)
            self.link.send({"op": "refused", "message": said["message"], "hint": said["hint"]}, flush=True)
            return
        if ledger.note:
            self.link.send({"op": "note", "text": ledger.note})
        runner = Runner(self._system(start.head["plan"], ledger), self.link.stopping, self._masks)
        runner.system.login = start.head.get("login", "")
        runner.system.recorded = recorded
        if recorded and "guard" in start.head:
            runner.system.guard = Guard(self.ledger_home, start.head["guard"], self.prove)
            told = settle_earlier(self.ledger_home)
            if told:
                self.link.send({"op": "note", "text": told})
        if "resume" in start.head:
            runner.resume(start.head["resume"])
        threading.Thread(target=self._heartbeat, daemon=True).start()
        began = time.monotonic()
        self._take_steps(runner)
        try:
            runner.system.units.settle()
        except StepError as error:
            self.link.send({"op": "note", "text": error.message})
        if recorded:
            self._remember(ledger, runner, began)
        if ledger.held:
            # before the controller hears of the end: its next run may follow at once
            ledger.unlock()
        self.link.send({"op": "bye"}, flush=True)
        if self.caching and recorded:
            # now that nobody waits
            runner.system.files.hashes.save()
            compiled: Compiled = importer().compiled
            compiled.save()

    def _system(self, plan: bool, ledger: Ledger) -> System:
        if plan:
            from provision.agent.overlay import PlannedSystem

            system: System = PlannedSystem(self, self.facts, ledger)
        else:
            system = System(self, self.facts, ledger)
        if self.caching:
            system.files.hashes = Hashes(caches.HOME + "/hashes")
        return system

    def _take_steps(self, runner: Runner) -> None:
        waiting: "collections.deque[Optional[Frame]]" = collections.deque()
        while True:
            frame = self._next(waiting, runner.system)
            if frame is None:
                return
            if frame.head["op"] == "end":
                if frame.head["whole"] and runner.whole:
                    self._tell_undeclared(runner.system)
                return
            if frame.head["op"] == "module":
                add_module(frame.head["name"], frame.payload)
                continue
            self._step, self._started, self._text = frame.head["id"], time.monotonic(), ""
            outcome = runner.run(frame.head)
            self._started = 0.0
            # a failure goes at once: the person waits for it, and the controller has to take note
            self.link.send(outcome, flush=outcome["state"] == "failed")
            if runner.system.rebooting:
                # whatever has come after that step is sent again to the agent after the boot
                return

    def _tell_undeclared(self, system: System) -> None:
        """After a run of all roles: what earlier ones have made and this one was not about."""
        if system.ledger.data["made"]:
            from provision.agent.undeclared import undeclared  # shipped

            for thing in undeclared(system):
                self.link.send({"op": "undeclared", **thing._asdict()})

    def _next(self, waiting: "collections.deque[Optional[Frame]]", system: System) -> Optional[Frame]:
        """The next frame. Takes in all that has arrived, so that one `systemctl show` can answer for the
        units of all steps."""
        while not waiting or not self.link.frames.empty():
            if self.link.frames.empty():
                self.link.flush()
            frame = self.link.frames.get()
            waiting.append(frame)
            if frame is not None:
                system.units.expect(frame.head.get("units", ()))
        return waiting.popleft()

    def _remember(self, ledger: Ledger, runner: Runner, began: float) -> None:
        """Write down how the run has ended; one that goes on after a reboot has not."""
        trouble = ""
        if (ledger.record is not None or ledger.resumed) and not runner.system.rebooting:
            seconds = round(time.monotonic() - began, 3)
            state = "failed" if runner.failed else "stopped" if self.link.stopping.is_set() else "done"
            if ledger.record is None:
                runner.system.begin()
            journal = ledger.begin()
            saved = self._save(ledger)
            journal.end(
                runner.system.units,
                ended=now(),
                seconds=seconds,
                state=state,
                changed=runner.changed,
                failed=runner.failed,
                saved=saved,
            )
            trouble = journal.trouble
        else:
            self._save(ledger)
        if trouble:
            self.link.send({"op": "note", "text": "this run can't be undone: %s" % self._masks.hide(trouble)})

    def _save(self, ledger: Ledger) -> bool:
        """Whether the ledger is on disk. What is not stays in the run's record, and the next run takes it in."""
        try:
            ledger.save()
        except OSError as error:
            self.link.send({"op": "note", "text": "the ledger could not be written: %s" % error})
            return False
        return True

    def _heartbeat(self) -> None:
        spoke = time.monotonic()
        while True:
            time.sleep(ANNOUNCE / 2)
            started, at = self._started, time.monotonic()
            if started and at - started > ANNOUNCE and self._announced != self._step:
                self._announced = self._step
                self.link.send({"op": "running", "id": self._step, "text": self._text}, flush=True)
                spoke, self._last_words = at, self._text
            elif started and self._text != self._last_words and at - spoke > 1:
                self.link.send({"op": "running", "id": self._step, "text": self._text}, flush=True)
                spoke, self._last_words = at, self._text
            elif at - spoke > HEARTBEAT:
                self.link.send({"op": "alive"}, flush=True)
                spoke = at
            else:
                self.link.flush()


def importer() -> Any:
    """The bootstrap's, which serves what was shipped."""
    return next(finder for finder in sys.meta_path if hasattr(finder, "modules"))


def add_module(name: str, compressed: bytes) -> None:
    """Let a module of steps that has just come be imported."""
    importer().modules[name] = zlib.decompress(compressed).decode()


def private_streams(incoming: IO[bytes]) -> IO[bytes]:
    """Keep stdout for frames alone: commands and libraries that print get /dev/null instead.

    incoming stays the very object that the bootstrap read from, because it may have read ahead.
    """
    out = os.dup(1)
    os.set_inheritable(out, False)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.set_inheritable(incoming.fileno(), False)
    return os.fdopen(out, "wb")


def main(ledger_home: str = "") -> None:
    """Serve one run over stdin and stdout."""
    # the run ends when the step that is under way has ended, not in the middle of it
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o022)
    home = HOME if os.geteuid() == 0 else os.path.expanduser("~/.local/state/prov")
    incoming = sys.stdin.buffer
    link = Link(incoming, private_streams(incoming))
    link._out.write(MARKER)
    host_facts = facts.gather()
    link.send({"op": "hello", "version": VERSION, "facts": host_facts, "boot": facts.boot_id()}, flush=True)
    link.start()
    Agent(link, host_facts, ledger_home or home, caching=home == HOME and not ledger_home).run()
    # not the interpreter's own way out: it would wait for the lock on stdin, which the reading thread holds
    os._exit(0)
