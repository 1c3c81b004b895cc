"""One channel to one host for a run: starts the agent, sends steps, returns results (decisions D1 and D3).

Steps are sent as they are submitted. Nothing waits for an answer until a role reads an outcome. The thread
that owns the session does the reading while it waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from provision.agent.protocol import (
    Alive,
    BeforeReboot,
    Bye,
    Done,
    End,
    Hello,
    LoginVerdict,
    Message,
    Need,
    Note,
    Prove,
    Refused,
    Running,
    Start,
    StepModule,
    Stop,
    Submission,
    Undeclared,
)
from provision.agent.secret_masks import Masks
from provision.controller import events, project_commit
from provision.controller.agent_conversation import AgentConversation
from provision.controller.agent_program import remember_program
from provision.controller.bootstrap import PLAN, module_payload, needed
from provision.controller.calling import calling_line
from provision.controller.channel import Channel
from provision.controller.events import About, Connected, StepDone, StepRunning
from provision.controller.fact_types import Facts
from provision.controller.login import Login
from provision.controller.outcome import Outcome, StepFailed
from provision.controller.reboot_wait import comes_back
from provision.controller.run_options import RunOptions
from provision.controller.sent_contents import chunks_of
from provision.controller.step_payload import check, encoded
from provision.errors import ProvError, UnreachableError
from provision.steps.base import Change, Step
from provision.system.frames import ProtocolError
from provision.system.source import Source

INSTALL_PYTHON = "package python3"

#: fields of an outcome that users see; streams are for Python code
SHOWN = ("why", "diff", "error")


class Session:
    """The steps for one host over one channel.

    open_channel: opens a channel and runs a command on it.  login: how to become root.  options: of the run;
    with `confirm` in them, prov waits for each step.  began: start time of the connection, by
    time.monotonic(); if given, `Connected` is emitted.  reopen: opens the connection again after the host has
    rebooted.  masks: secrets that are known already; those in steps are added.  prove: logs in again and
    confirms a token there when the agent asks for it (system/guard.py); returns "" or why it could not.

    learnt: whether a role has read the outcome of a step that acted or failed: later steps are not
    predictable, because a role has branched on a result.
    """

    def __init__(
        self,
        host: str,
        open_channel: Callable[[str], Channel],
        login: Login,
        options: RunOptions,
        *,
        began: float | None = None,
        reopen: Callable[[], None] = lambda: None,
        masks: Masks | None = None,
        prove: Callable[[str], str] = lambda token: "there is no second way in",
    ) -> None:
        self.host = host
        self.learnt = False
        #: whether the run has declared everything that the host should have; what it has brought, as a digest
        self.whole, self.brought = False, ""
        self.role = ""
        #: the application that the next steps are for
        self.about = About()
        self.frames_sent = 0
        self._open_channel = open_channel
        self._login = login
        self._options = options
        self._emit = options.emit
        self._began = began
        self._reopen = reopen
        self.masks = masks or Masks()
        self._prove = prove
        #: the steps of the run, by number, in order
        self.outcomes: dict[int, Outcome] = {}
        self._waiting: dict[int, Outcome] = {}
        #: messages of the waiting steps, to be sent again after a reboot of the host
        self._messages: dict[int, Submission] = {}
        self._failures_seen = 0
        self._unseen: list[StepFailed] = []
        self._sources: dict[str, Source] = {}
        self._next = 1
        self._stopped = False
        self._ending: End | None = None
        self._boot = ""
        self._start(None)

    # -- for roles

    @property
    def facts(self) -> Facts:
        """The host's facts; waits for the agent's first message. Raises UnreachableError."""
        while self._facts is None:
            self._pump()
        return self._facts

    @property
    def clock_off(self) -> float:
        """Seconds that the host's clock is ahead, at least; negative: behind. Raises as `facts`."""
        return self._conversation.clock_off if self.facts else 0.0

    def submit(self, step: Step) -> Outcome:
        """Send a step; do not wait. Raises ConfigError if its arguments are invalid."""
        where, line = calling_line()
        check(step, self.masks, where)
        outcome = Outcome(self, self._next, step, self.role, where, self.masks.hide(line), self.about)
        self._next += 1
        self._ship(type(step).__module__)
        payload = encoded(step, self._sources, self.masks)
        outcome.label = self.masks.hide(outcome.label)
        message = Submission(
            id=outcome.id,
            kind=payload.kind,
            fields=payload.fields,
            hide=payload.hide,
            label=outcome.label,
            role=self.role,
            deadline=step.deadline(),
            seen=self._failures_seen,
            units=list(step.units()),
            ignore=step.ignore_errors,
        )
        on_send, confirm = self._options.on_send, self._options.confirm
        if on_send is not None:
            message = on_send(self.host, outcome, message, self.learnt)
        # do not ask about steps that an earlier failure skips
        if confirm is not None and not self._unseen and not confirm(self.host, outcome):
            message = message.replace(leave=True)
        self.outcomes[outcome.id] = self._waiting[outcome.id] = outcome
        self._messages[outcome.id] = message
        self._send(message)
        while confirm is not None and not outcome.done:
            self._pump()
        return outcome

    def wait_for(self, outcome: Outcome) -> None:
        """Wait for one step. Raises StepFailed, and so acknowledges it, if this or an earlier step failed."""
        while not outcome.done:
            self._pump()
        self.raise_failure()
        self.learnt = self.learnt or outcome.known_change or outcome.error is not None

    def acknowledge(self) -> None:
        """Acknowledge failures without raising them: later steps run."""
        self._failures_seen += len(self._unseen)
        self._unseen = []

    def raise_failure(self) -> None:
        """Raise StepFailed for the first unacknowledged failure."""
        if self._unseen:
            self.learnt = True
            first = self._unseen[0]
            self.acknowledge()
            raise first

    @property
    def ended(self) -> bool:
        """Whether the agent takes no more steps: it has refused the run, or has ended."""
        return self._closed

    def wait_for_all(self) -> None:
        """Wait for every step. Raises StepFailed for the first unacknowledged failure."""
        while self._waiting:
            self._pump()
        self.raise_failure()

    # -- ending

    def stop(self) -> None:
        """Ask the agent to end after the running step and skip the rest; from any thread."""
        self._stopped = True
        self._conversation.give_up_start()
        # in a thread: a write to a host that accepts no data would block the thread that stops the run
        threading.Thread(target=self._send, args=[Stop()], daemon=True).start()

    def finish(self) -> None:
        """Wait for all steps, end the agent in good order and close the channel; do not raise failures."""
        # asked once: what is noted of the host has what plans need
        caches = not self._closed and self._host_caches()
        try:
            if not self._closed:
                if caches:
                    self._ship(PLAN)
                self._ending = End(self.whole, self.brought)
                self._send(self._ending)
            while not self._closed:
                self._pump()
            if caches:
                remember_program(self._login.host, self._conversation.program, self._shipped)
        finally:
            self._conversation.close()

    def abandon(self) -> None:
        """Close the channel in whatever state it is; the agent exits after its running step."""
        self._conversation.close()

    # -- internal

    def _host_caches(self) -> bool:
        """Return whether the host keeps what it is sent, for later runs."""
        return (
            bool(self._login.host)
            and self._recorded
            and self._facts is not None
            and self._facts.user == "root"
        )

    def _start(self, resume: BeforeReboot | None) -> None:
        """Start an agent. resume: the state from before the host's reboot."""
        self._closed = False
        self._facts: Facts | None = None
        self._rebooting: Done | None = None
        self._conversation = AgentConversation(
            self._login,
            self._open_channel,
            self._options,
            installing=lambda text: self._emit(StepRunning(self.host, "", INSTALL_PYTHON, text)),
            note=lambda text: self._emit(events.Notice(self.host, text)),
        )
        self._shipped = set(self._conversation.program.modules)
        options = self._options
        commit = "" if options.plan else project_commit.commit()
        start = Start(plan=options.plan, who=options.who, commit=commit, resume=resume, **options.opening)
        self._recorded = start.recorded and not start.confirm
        self._send(start)

    def _resume(self, done: Done, reboot: BeforeReboot) -> None:
        """Wait for the host to reboot, and continue with the remaining steps. Raises UnreachableError.

        done: the outcome of the step that rebooted it.
        """
        before, step = self._boot, self.outcomes[done.id]
        self._conversation.close()

        def is_back() -> bool:
            """Return whether an agent answers from a new boot."""
            self._reopen()
            self._start(reboot)
            while self._facts is None:
                self._pump()
            if self._boot == before:
                self._conversation.close()
            return self._boot != before

        def tell(text: str) -> None:
            self._emit(StepRunning(self.host, step.role, step.label, text))

        seconds = comes_back(is_back, reboot.within, tell)
        self._settle(done.replace(ms=done.ms + round(seconds * 1000, 1)))
        if self._stopped:
            self._send(Stop())
        for waiting in self._waiting.values():
            self._ship(type(waiting.step).__module__)
            self._send(self._messages[waiting.id])
        if self._ending is not None:
            self._send(self._ending)

    def _ship(self, module: str) -> None:
        """Send a step module, and what it imports, before the first step that needs it."""
        if module in self._shipped:
            # so are its dependencies
            return
        for name in needed(module):
            if name not in self._shipped:
                self._shipped.add(name)
                self._send(StepModule(name, module_payload(name)))

    def _send(self, message: Message) -> None:
        self.frames_sent += 1
        self._conversation.send(message)

    def _pump(self) -> None:
        """Read once, and handle what arrived. Raises UnreachableError."""
        if self._closed:
            # what is still waited for will not come
            raise UnreachableError("the run on this host has ended", where=self.host)
        conversation = self._conversation
        try:
            for message in conversation.receive():
                self._handle(message)
        except ProtocolError as error:
            raise UnreachableError(
                f"the agent sent {error}; something else writes to its output",
                hint="prov ignores the rest of this host's messages; other hosts continue.",
            ) from None
        if (self._closed or conversation.ended) and not self._go_on() and not self._closed:
            self._closed = True
            raise UnreachableError(
                "the connection was cut before the run had ended",
                hint="Finished steps are complete; run again, and prov continues where it was.",
            )

    def _go_on(self) -> bool:
        """Continue after a reboot, if that is why the agent has ended."""
        done = self._rebooting
        if done is None or done.reboot is None:
            return False
        self._resume(done, done.reboot)
        return True

    def _handle(self, message: Message) -> None:
        match message:
            case Done() as done:
                self._settle_or_reboot(done)
            case Running() as running:
                outcome = self._known(running.id, self.outcomes)
                if self._conversation.limits.worth_showing():
                    self._emit(
                        StepRunning(self.host, outcome.role, outcome.label, self.masks.hide(running.text))
                    )
            case Need() as need:
                self._provide(need)
            case Hello() as hello:
                self._facts = Facts.from_message(hello.facts)
                self._boot = hello.boot
                if self._began is not None:
                    self._emit(Connected(self.host, time.monotonic() - self._began))
                    self._began = None
                if self._conversation.python_came:
                    change = Change("package python3", "", "installed")
                    self._emit(StepDone(self.host, "", INSTALL_PYTHON, "changed", diff=[change]))
            case Note() as note:
                self._emit(events.Notice(self.host, self.masks.hide(note.text)))
            case Undeclared() as found:
                what = self.masks.hide(f"{found.kind} {found.name}")
                self._emit(events.UndeclaredFound(self.host, found.role, what, found.step, found.stays))
            case Refused() as refused:
                self._closed = True
                raise ProvError(refused.message, where=self.host, hint=refused.hint)
            case Bye():
                self._closed = True
            case Prove() as asked:
                self._send(LoginVerdict(asked.token, self._prove(asked.token)))
            case Alive():
                pass

    def _known(self, id: int, steps: Mapping[int, Outcome]) -> Outcome:
        """Return the step with the number that the host sent. Raises ProtocolError."""
        if id not in steps:
            raise ProtocolError(f"word of step {id}, which it was not sent or has answered for")
        return steps[id]

    def _settle_or_reboot(self, done: Done) -> None:
        outcome = self._known(done.id, self._waiting)
        if done.reboot is None:
            self._settle(done)
        elif done.reboot.within != getattr(outcome.step, "within", None):
            raise ProtocolError(f"a reboot that {outcome.label} does not ask for")
        else:
            self._rebooting = done

    def _settle(self, done: Done) -> None:
        done = done.replace(**{name: self.masks.hide_in(getattr(done, name)) for name in SHOWN})
        outcome = self._waiting.pop(done.id)
        del self._messages[done.id]
        outcome.settle(done)
        if outcome.error is not None and not outcome.step.ignore_errors:
            self._unseen.append(outcome.error)
        self._emit(outcome.as_event(self.host))

    def _provide(self, need: Need) -> None:
        """Send the contents of a source of a sent step, in pieces, or why they are not available."""
        source = self._sources.get(need.key)
        if source is None or source.open is None:
            raise ProtocolError(f"a request for {need.key[:80]!r}, which no step of its has")
        for chunk in chunks_of(source.open, need.payload):
            self._send(chunk)
