"""One channel to one host and run: starts the agent, sends steps, hands out what came of them (D1, D3).

Steps are sent as they are submitted and nothing waits for an answer until somebody reads an outcome. The
thread that owns the session also does the reading, while it waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from provision import origin
from provision.agent.masks import Masks
from provision.agent.protocol import VERSION, Frame, ProtocolError, Reader, pack
from provision.bootstrap import AGENT, module_payload, needed
from provision.calling import calling_line
from provision.carried import encoded
from provision.channel import SILENCE, START_TIMEOUT, Channel, Login
from provision.comeback import comes_back
from provision.errors import ConfigError, ProvError, UnreachableError
from provision.events import Event, Note, StepDone, StepRunning, Undeclared
from provision.facts import Facts
from provision.outcome import Outcome
from provision.steps.base import Change, Step
from provision.steps.source import CHUNK, Source

INSTALL_PYTHON = "package python3"


#: host, step, its message, whether the session has learnt
OnSend = Callable[[str, Outcome, dict[str, Any], bool], None]

#: what people see of an outcome; its streams are for Python code
SHOWN = ("why", "diff", "error")
NOTHING_MORE: Mapping[str, Any] = {}


class Session:
    """Steps for one host over one channel.

    open_channel: opens a channel and runs a command on it.  login: how to become root.  plan: predict only.
    who: shown to others while the host is locked.  emit: takes events.
    confirm: asked about each step before it is sent; what it says no to is left out, and each is waited for.
    reopen: opens the connection anew after the host has rebooted.
    on_send: told of each step, and may add to the message that it travels in.
    masks: secrets that are known already; those that steps carry are added.
    opening: what else the agent is told with its start.  prove: logs in anew and confirms a token there, when the
    agent asks for it (agent/guard.py); returns "" or why it could not.

    learnt: whether a role has read what came of a step that acted, or failed: what it does from now on no plan
    could tell.
    """

    def __init__(
        self,
        host: str,
        open_channel: Callable[[str], Channel],
        login: Login,
        *,
        plan: bool,
        who: str,
        emit: Callable[[Event], None],
        confirm: Callable[[str, Outcome], bool] | None = None,
        reopen: Callable[[], None] = lambda: None,
        on_send: OnSend | None = None,
        masks: Masks | None = None,
        opening: Mapping[str, Any] = NOTHING_MORE,
        prove: Callable[[str], str] = lambda token: "there is no second way in",
    ) -> None:
        self.host = host
        self.learnt = False
        #: whether all that the host is to have has been declared, once it has
        self.whole = False
        self.plan = plan
        self.role = ""
        self.frames_sent = 0
        self._open_channel = open_channel
        self._login = login
        self._who = who
        self._emit = emit
        self._confirm = confirm
        self._reopen = reopen
        self._on_send = on_send
        self.masks = masks or Masks()
        self._opening = opening
        self._prove = prove
        self._outcomes: dict[int, Outcome] = {}
        self._waiting: dict[int, Outcome] = {}
        #: what was sent of the waiting ones: after a reboot of the host it is sent again
        self._messages: dict[int, dict[str, Any]] = {}
        self._failures_seen = 0
        self._unseen: list[Outcome] = []
        self._sources: dict[str, Source] = {}
        self._next = 1
        self._stopped = False
        self._ending: dict[str, Any] | None = None
        self._sending = threading.Lock()
        self._boot = ""
        self._start({})

    # -- for roles

    @property
    def facts(self) -> Facts:
        """What the host is; waits for the agent's first message. Raises UnreachableError."""
        while self._facts is None:
            self._pump()
        return self._facts

    def submit(self, step: Step) -> Outcome:
        """Send a step; does not wait. Raises ConfigError if its arguments make no sense."""
        where, line = calling_line()
        try:
            step.validate_options()
            step.validate()
        except (ValueError, TypeError, AttributeError) as error:
            # the latter two: an argument of another type than the step works with
            raise ConfigError(self.masks.hide(f"{type(step).__name__}: {error}"), where=where) from None
        outcome = Outcome(self, self._next, step, self.role, where, self.masks.hide(line))
        self._next += 1
        self._ship(type(step).__module__)
        message = encoded(step, self._sources, self.masks)
        outcome.label = self.masks.hide(outcome.label)
        message.update(
            op="step",
            id=outcome.id,
            label=outcome.label,
            role=self.role,
            deadline=step.deadline(),
            seen=self._failures_seen,
            units=list(step.units()),
        )
        if step.ignore_errors:
            message["ignore"] = step.ignore_errors
        if self._on_send is not None:
            self._on_send(self.host, outcome, message, self.learnt)
        # nobody is asked about steps that an earlier failure skips
        if self._confirm is not None and not self._unseen and not self._confirm(self.host, outcome):
            message["leave"] = True
        self._outcomes[outcome.id] = self._waiting[outcome.id] = outcome
        self._messages[outcome.id] = message
        self._send(message)
        while self._confirm is not None and not outcome.done:
            self._pump()
        return outcome

    def wait_for(self, outcome: Outcome) -> None:
        """Wait for one step. Raises StepFailed if it, or one before it, failed; that takes note of the failure."""
        while not outcome.done:
            self._pump()
        self.raise_failure()
        self.learnt = self.learnt or outcome.known_change or outcome.error is not None

    def acknowledge(self) -> None:
        """Take note of failures without raising them: steps sent from now on run all the same."""
        self._failures_seen += len(self._unseen)
        self._unseen = []

    def raise_failure(self) -> None:
        """Raise StepFailed for the first failure that nobody has taken note of."""
        if self._unseen:
            self.learnt = True
            first = self._unseen[0]
            self.acknowledge()
            raise first.failure()

    def wait_for_all(self) -> None:
        """Wait for every step. Raises StepFailed for the first failure that nobody has taken note of."""
        while self._waiting:
            self._pump()
        self.raise_failure()

    # -- ending

    def stop(self) -> None:
        """Ask the agent to end after the step that is running; the rest is skipped."""
        self._stopped = True
        self._send({"op": "stop"})

    def finish(self) -> None:
        """Wait for all steps, end the agent in good order and close the channel; failures are not raised."""
        try:
            if not self._closed:
                self._ending = {"op": "end", "whole": self.whole}
                self._send(self._ending)
            while not self._closed:
                self._pump()
        finally:
            self._starter.channel.close()

    def abandon(self) -> None:
        """Close the channel as it is; the agent ends by itself after its running step."""
        self._starter.channel.close()

    # -- inside

    def _start(self, resume: dict[str, Any]) -> None:
        """Start an agent. resume: what the one before the host's reboot knew."""
        self._reader = Reader()
        self._greeted = self._closed = False
        self._facts: Facts | None = None
        self._shipped = set(needed(AGENT))
        self._unanswered: list[bytes] = []
        self._rebooting: dict[str, Any] | None = None
        self._starter = self._login.start(self._open_channel, plan=self.plan)
        commit = "" if self.plan else origin.commit()
        self._send(
            {"op": "start", "plan": self.plan, "who": self._who, "commit": commit, **self._opening, **resume}
        )

    def _resume(self, head: dict[str, Any]) -> None:
        """Wait until the host has rebooted, and go on there with all that is left. Raises UnreachableError.

        head: the outcome of the step that made it reboot.
        """
        before, step = self._boot, self._outcomes[head["id"]]
        self._starter.channel.close()

        def is_back() -> bool:
            """Whether an agent speaks from another boot than before."""
            self._reopen()
            self._start({"resume": head["reboot"]})
            while self._facts is None:
                self._pump()
            if self._boot == before:
                self._starter.channel.close()
            return self._boot != before

        def tell(text: str) -> None:
            self._emit(StepRunning(self.host, step.role, step.label, text))

        head["ms"] += round(comes_back(is_back, head["reboot"]["within"], tell) * 1000, 1)
        self._settle(head)
        if self._stopped:
            self._send({"op": "stop"})
        for waiting in self._waiting.values():
            self._ship(type(waiting.step).__module__)
            self._send(self._messages[waiting.id])
        if self._ending is not None:
            self._send(self._ending)

    def _ship(self, module: str) -> None:
        """Send a module of steps, and what it imports, before the first step that needs it."""
        for name in needed(module):
            if name not in self._shipped:
                self._shipped.add(name)
                self._send({"op": "module", "name": name}, module_payload(name))

    def _send(self, head: dict[str, Any], payload: bytes = b"") -> None:
        data = pack(head, payload)
        # a stop comes from another thread, and must not fall into the middle of a frame
        with self._sending:
            self.frames_sent += 1
            if self._facts is None:
                self._unanswered.append(data)
            self._starter.channel.send(data)

    def _pump(self) -> None:
        """Read once, waiting as long as a living agent may be silent, and handle what arrived."""
        channel = self._starter.channel
        patience = SILENCE if self._greeted else START_TIMEOUT
        if not channel.wait(patience):
            seconds = SILENCE if channel.silent else patience
            raise UnreachableError(
                f"the connection has been silent for {seconds:.0f} s",
                hint="The host may have gone down or lost its network. Run again: prov continues where it was.",
            )
        if not self._greeted and (text := self._starter.installing()):
            self._emit(StepRunning(self.host, "", INSTALL_PYTHON, text))
        data = bytes(channel.out)
        channel.out.clear()
        if not data and channel.eof:
            self._ended()
            return
        self._reader.feed(data)
        try:
            if not self._greeted:
                self._greeted = self._reader.skip_to_marker()
            while self._greeted and (frame := self._reader.next()) is not None:
                self._handle(frame)
        except ProtocolError as error:
            raise UnreachableError(f"the agent sent {error}; something else writes to its output") from None
        if self._closed and self._rebooting is not None:
            self._resume(self._rebooting)

    def _ended(self) -> None:
        if self._rebooting is not None:
            self._resume(self._rebooting)
            return
        if self._closed:
            return
        if not self._greeted and self._starter.retry():
            # sudo's password has been asked for: everything said so far is said again
            for data in self._unanswered:
                self._starter.channel.send(data)
            return
        self._closed = True
        if not self._greeted:
            raise self._starter.explain(self._reader.before_marker())
        raise UnreachableError(
            "the connection was cut before the run had ended",
            hint="What had been done is done whole; run again, and prov continues from there.",
        )

    def _handle(self, frame: Frame) -> None:
        head = frame.head
        match head["op"]:
            case "outcome" if "reboot" in head:
                self._rebooting = head
            case "outcome":
                self._settle(head)
            case "running":
                outcome = self._outcomes[head["id"]]
                self._emit(StepRunning(self.host, outcome.role, outcome.label, self.masks.hide(head["text"])))
            case "need":
                self._provide(head["key"], frame.payload)
            case "hello":
                if head["version"] != VERSION:
                    raise ProtocolError(f"protocol version {head['version']}, not {VERSION}")
                self._facts = Facts.from_message(head["facts"])
                self._boot = head["boot"]
                self._unanswered.clear()
                if self._starter.installed():
                    change = Change("package python3", "", "installed")
                    self._emit(StepDone(self.host, "", INSTALL_PYTHON, "changed", diff=[change]))
            case "note":
                self._emit(Note(self.host, self.masks.hide(head["text"])))
            case "undeclared":
                what = self.masks.hide(f"{head['kind']} {head['name']}")
                self._emit(Undeclared(self.host, head["role"], what, head["step"], head["stays"]))
            case "refused":
                self._closed = True
                raise ProvError(head["message"], where=self.host, hint=head["hint"])
            case "bye":
                self._closed = True
            case "prove":
                why = self._prove(head["token"])
                self._send({"op": "verdict", "token": head["token"], "why": why})
            case "alive":
                pass
            case other:
                raise ProtocolError(f"an unknown message {other!r}")

    def _settle(self, head: dict[str, Any]) -> None:
        head = {**head, **{name: self.masks.hide_in(head[name]) for name in SHOWN if name in head}}
        outcome = self._waiting.pop(head["id"])
        del self._messages[head["id"]]
        outcome.settle(head)
        if outcome.error is not None and not outcome.step.ignore_errors:
            self._unseen.append(outcome)
        self._emit(
            StepDone(
                self.host,
                outcome.role,
                outcome.label,
                head["state"],
                why=head.get("why", ""),
                diff=[Change(*c) for c in head.get("diff", [])],
                ms=head["ms"],
                where=outcome.where,
                line=outcome.line,
                error=outcome.error,
                ignored=head.get("ignored", ""),
            )
        )

    def _provide(self, key: str, request: bytes) -> None:
        """Send what a source holds, in pieces, or say why it can't be had."""
        source = self._sources[key]
        assert source.open is not None
        try:
            with source.open(request) as f:
                chunk = f.read(CHUNK)
                while True:
                    following = f.read(CHUNK)
                    self._send({"op": "chunk", "last": not following}, chunk)
                    if not following:
                        return
                    chunk = following
        except (OSError, ProvError) as error:
            hint = error.hint if isinstance(error, ProvError) else ""
            message = error.message if isinstance(error, ProvError) else f"on this machine: {error}"
            self._send({"op": "chunk", "last": True, "error": message, "hint": hint})
