"""The agent: one process on the host per run. Runs steps in order and sends their results. Shipped."""

import collections
import json
import os
import queue
import signal
import sys
import threading
import time
import zlib
from typing import IO, Any, Dict, Generator, Optional

from provision.agent import host_facts
from provision.agent.compiled import Compiled, keep_program
from provision.agent.link import FrameLink
from provision.agent.protocol import (
    VERSION,
    Alive,
    Bye,
    Chunk,
    Done,
    End,
    Hello,
    Message,
    Need,
    Note,
    Prove,
    Refused,
    Running,
    Start,
    StepModule,
    Submission,
    Undeclared,
)
from provision.agent.secret_masks import Masks, passwords
from provision.agent.step_runner import Runner, describe
from provision.errors import ProvError, StepError
from provision.system import caches
from provision.system.caches import Hashes
from provision.system.frames import MARKER, MAX_HEADER
from provision.system.guard_proof import Proof, confirm, settle_earlier
from provision.system.host import System
from provision.system.memory.ledger import HOME, Ledger, now
from provision.system.proxies import proxies
from provision.system.source import Source

#: seconds; a step that runs longer is announced, shorter ones are only reported when done
ANNOUNCE = 0.2
#: seconds; the controller treats a much longer silence as a lost link
HEARTBEAT = 5.0
#: characters of a stream that fit into a frame, however they are encoded
MOST = MAX_HEADER // 32


class Agent:
    """Runs the steps of one run against a System. caching: use and update the caches of earlier runs."""

    def __init__(
        self, link: FrameLink, host_facts: Dict[str, Any], ledger_home: str, *, caching: bool
    ) -> None:
        self.link = link
        self.facts = host_facts
        self.ledger_home = ledger_home
        self.caching = caching
        self._started = 0.0
        self._step = 0
        self._brought = ""
        self._announced = 0
        self._last_words = ""
        self._text = ""
        self._masks = Masks()

    # -- requests of steps to the controller (system.Controller)

    def fetch(self, source: Source, request: bytes = b"") -> Generator[bytes, None, None]:
        """Yield the contents of a source, in pieces, as the controller sends them."""
        if source.open is not None:
            # a step that edits a file made it on this host
            with source.open(request) as f:
                yield f.read()
            return
        self.request(source, request)
        yield from self.answer()

    def request(self, source: Source, request: bytes = b"") -> None:
        """Ask for contents without waiting; `answer` flushes the request and takes them."""
        self.link.send(Need(source.key, request))

    def answer(self) -> Generator[bytes, None, None]:
        """Yield the contents of the first request that has no answer yet, in pieces."""
        self.link.flush()
        last = False
        try:
            while not last:
                chunk = self._chunk()
                last = chunk.last
                if chunk.error:
                    raise StepError(chunk.error, hint=chunk.hint)
                if chunk.payload:
                    yield chunk.payload
        finally:
            # drain: a step that stops reading (a full disk) must not leave the rest to the next answer
            while not last:
                last = self._chunk().last

    def _chunk(self) -> Chunk:
        chunk = self.link.chunks.get()
        if chunk is None:
            self.link.chunks.put(None)
            raise StepError("the controller went away while it was sending a file")
        return chunk

    def prove(self, token: str, seconds: float) -> str:
        """Have the controller log in again and confirm a token there (guard.py); return "" or an error."""
        self.link.send(Prove(token), flush=True)
        end = time.monotonic() + seconds
        while True:
            try:
                verdict = self.link.verdicts.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return "no word of it within %g s" % seconds
            if verdict is None:
                self.link.verdicts.put(None)
                return "the controller went away"
            if verdict.token == token:
                return verdict.why

    def note(self, text: str) -> None:
        """Show users a text that is in no outcome."""
        self.link.send(Note(self._masks.hide(text)))

    def progress(self, text: str) -> None:
        """Note the last line of a long command's output, to be sent with the next heartbeat."""
        self._text = self._masks.hide(text)

    # -- the run

    def run(self) -> None:
        """Take the start message, then run steps until no more follow."""
        start = self.link.messages.get()
        if not isinstance(start, Start):
            return
        if start.confirm:
            confirm(self.ledger_home, start.confirm)
            self.link.send(Bye(), flush=True)
            return
        try:
            ledger = self._ledger(start)
            runner = self._runner(start, ledger)
        except (ProvError, OSError) as error:
            said = describe(error)
            self.link.send(Refused(said.message, said.hint), flush=True)
            return
        threading.Thread(target=self._heartbeat, daemon=True).start()
        began = time.monotonic()
        self._take_steps(runner)
        try:
            runner.system.units.settle()
        except StepError as error:
            self.link.send(Note(error.message))
        if start.recorded:
            self._remember(ledger, runner, began)
        if ledger.held:
            # before the controller hears of the end: its next run may start at once
            ledger.unlock()
        self.link.send(Bye(), flush=True)
        if self.caching and start.recorded:
            # last, because no one waits for it any more
            runner.system.files.hashes.save()
            compiled: Compiled = importer().compiled
            compiled.save()
            if importer().new:
                keep_program(importer().text())

    def _ledger(self, start: Start) -> Ledger:
        """Return the host's ledger, locked if the run may change something. Raises StepError, OSError."""
        ledger = Ledger(self.ledger_home)
        if not start.plan and start.aside != "free":
            ledger.lock()
            ledger.sign(start.who, start.commit)
        if start.recorded:
            ledger.keep_damaged()
        if ledger.note:
            self.link.send(Note(ledger.note))
        return ledger

    def _runner(self, start: Start, ledger: Ledger) -> Runner:
        self._masks.update(word for value in proxies().values() for word in passwords(value))
        runner = Runner(self._system(start.plan, ledger), self.link.stopping, self._masks)
        runner.system.login, runner.system.recorded = start.login, start.recorded
        if start.recorded and start.guard is not None:
            runner.system.proof = Proof(self.ledger_home, start.guard, self.prove)
            reverted = settle_earlier(self.ledger_home)
            if reverted:
                self.link.send(Note(reverted))
        if start.resume is not None:
            runner.resume(start.resume)
        return runner

    def _system(self, plan: bool, ledger: Ledger) -> System:
        if plan:
            from provision.system.planned.planned_host import PlannedSystem

            system: System = PlannedSystem(self, self.facts, ledger)
        else:
            system = System(self, self.facts, ledger)
        if self.caching:
            system.files.hashes = Hashes(caches.HOME + "/hashes")
        return system

    def _take_steps(self, runner: Runner) -> None:
        waiting: "collections.deque[Optional[Message]]" = collections.deque()
        while True:
            received = self._next(waiting, runner.system)
            if isinstance(received, StepModule):
                add_module(received.name, received.payload)
            elif isinstance(received, Submission):
                self._step, self._started, self._text = received.id, time.monotonic(), ""
                done = runner.run(received)
                self._started = 0.0
                # send a failure at once: the user waits for it, and the controller must acknowledge it
                self.link.send(fitting(done), flush=done.state == "failed")
                if runner.system.rebooting:
                    # the controller sends all later steps again, to the agent after the reboot
                    return
            else:
                if isinstance(received, End):
                    self._brought = received.brought
                    if received.whole and not runner.system.unsettled:
                        self._tell_undeclared(runner.system)
                return

    def _tell_undeclared(self, system: System) -> None:
        """After a run of all roles, report what earlier runs made and this one does not declare."""
        if system.ledger.data["made"]:
            from provision.system.memory.undeclared import undeclared  # shipped

            for thing in undeclared(system):
                self.link.send(Undeclared(thing.kind, thing.name, thing.role, thing.step, thing.stays))

    def _next(self, waiting: "collections.deque[Optional[Message]]", system: System) -> Optional[Message]:
        """Return the next message.

        Take in all that has arrived, so that one `systemctl show` covers the units of all steps.
        """
        while not waiting or not self.link.messages.empty():
            if self.link.messages.empty():
                self.link.flush()
            received = self.link.messages.get()
            waiting.append(received)
            if isinstance(received, Submission):
                system.units.expect(received.units)
        return waiting.popleft()

    def _remember(self, ledger: Ledger, runner: Runner, began: float) -> None:
        """Record how the run ended, unless it continues after a reboot."""
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
                brought=self._brought,
            )
            trouble = journal.trouble
        else:
            self._save(ledger)
        if trouble:
            self.link.send(Note("this run can't be undone: %s" % self._masks.hide(trouble)))

    def _save(self, ledger: Ledger) -> bool:
        """Save the ledger; return whether that worked. The run's record keeps the rest for the next run."""
        try:
            ledger.save()
        except OSError as error:
            self.link.send(Note("the ledger could not be written: %s" % error))
            return False
        return True

    def _heartbeat(self) -> None:
        spoke = time.monotonic()
        while True:
            time.sleep(ANNOUNCE / 2)
            started, at = self._started, time.monotonic()
            if started and at - started > ANNOUNCE and self._announced != self._step:
                self._announced = self._step
                self.link.send(Running(self._step, self._text), flush=True)
                spoke, self._last_words = at, self._text
            elif started and self._text != self._last_words and at - spoke > 1:
                self.link.send(Running(self._step, self._text), flush=True)
                spoke, self._last_words = at, self._text
            elif at - spoke > HEARTBEAT:
                self.link.send(Alive(), flush=True)
                spoke = at
            else:
                self.link.flush()


def fitting(done: Done) -> Done:
    """Return a result that fits into a frame: long streams keep their beginning and end.

    A byte of a stream may take six when encoded.
    """
    for name in ("stdout", "stderr"):
        said = getattr(done, name)
        if len(said) > MOST and len(json.dumps(said)) > MAX_HEADER // 4:
            done = done.replace(**{name: said[: MOST // 2] + "\n[...]\n" + said[-MOST // 2 :]})
    return done


def importer() -> Any:
    """Return the bootstrap's importer, which serves the shipped modules."""
    return next(finder for finder in sys.meta_path if hasattr(finder, "modules"))


def add_module(name: str, compressed: bytes) -> None:
    """Make a newly sent step module importable."""
    shipped = importer()
    shipped.new, shipped.modules[name] = True, zlib.decompress(compressed).decode()


def private_streams(incoming: IO[bytes]) -> IO[bytes]:
    """Reserve stdout for frames: commands and libraries that print write to /dev/null instead.

    incoming: the same object that the bootstrap read from, because it may have read ahead.
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
    # a lost terminal ends the run after the running step, not in the middle of it
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o022)
    home = HOME if os.geteuid() == 0 else os.path.expanduser("~/.local/state/prov")
    incoming = sys.stdin.buffer
    link = FrameLink(incoming, private_streams(incoming))
    link._out.write(MARKER)
    known = host_facts.gather()
    link.send(Hello(VERSION, known, host_facts.boot_id(), time.time()), flush=True)
    link.start()
    Agent(link, known, ledger_home or home, caching=home == HOME and not ledger_home).run()
    # a normal exit would wait for the lock on stdin, which the reading thread holds
    os._exit(0)
