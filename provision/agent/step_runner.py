"""Runs steps one after the other and returns their results. Shipped."""

import contextlib
import hashlib
import json
import threading
import time
from typing import Any, Dict, List, Optional, Sequence

from provision.agent.acting import acting_as
from provision.agent.codec import decode_step
from provision.agent.protocol import BeforeReboot, Done, Failure, State, Submission
from provision.agent.secret_masks import Masks
from provision.errors import ProvError, StepError
from provision.steps.base import Change, Diff, Ref, Step
from provision.system.host import System


class NotPlanned(StepError):
    """A step would differ from the saved plan; it has changed nothing."""


class Runner:
    """Runs steps.

    system: what steps act on.  stopping: set when the controller is gone or asks to stop.
    masks: gets the secrets of every step.

    changed, failed: labels of steps with that result, for the ledger.
    """

    def __init__(self, system: System, stopping: threading.Event, masks: Masks) -> None:
        self.system = system
        self.stopping = stopping
        self.masks = masks
        self.refs: Dict[int, Ref] = {}
        self.changed: List[str] = []
        self.failed: List[str] = []
        self._failures = 0
        self._broken_by = ""

    def run(self, message: Submission) -> Done:
        """Run a step and return its result."""
        began = time.monotonic()
        number = message.id
        ref = self.refs[number] = Ref(number, message.label)
        if self.stopping.is_set():
            done = Done(number, "skipped", why="the run was stopped")
        elif message.leave:
            done = Done(number, "skipped", why="left out when asked")
            self._look(message, ref)
        elif message.seen != self._failures:
            # decision D3: nothing runs after a failed step until the controller has acknowledged it
            done = Done(number, "skipped", why="%s failed" % self._broken_by)
            self._look(message, ref)
        else:
            self.system.ran, self.system.ledger.maker = False, (message.role, ref.label)
            done = self.masks.hide_in(self._run(message, ref))
            self._write_down(message, done)
            if self.system.rebooting:
                done = done.replace(reboot=self._reboot())
        if done.state in ("failed", "skipped"):
            self.system.unsettled.append(ref.label)
        return done.replace(ms=round((time.monotonic() - began) * 1000, 1))

    def _reboot(self) -> BeforeReboot:
        """Return the state that the agent after the reboot needs."""
        from provision.system.memory.undeclared import declared  # shipped

        refs = [(r.id, r.label, r.changed, r.fingerprint) for r in self.refs.values()]
        run, unsettled = self.system.ledger.begin().id, self.system.unsettled
        return BeforeReboot(
            self.system.rebooting, refs, self._failures, run, unsettled, declared(self.system)
        )

    def resume(self, known: BeforeReboot) -> None:
        """Restore the state from before a reboot: later steps refer to the results of earlier ones."""
        self.refs.update((each[0], Ref(*each)) for each in known.refs)
        self._failures = known.failures
        self.system.ledger.resumed = known.run
        self.system.unsettled = [*known.unsettled]
        for thing in known.declared:
            if thing.startswith("path "):
                self.system.files.looked.add(thing[len("path ") :])
            else:
                self.system.accounts.looked.add(thing)

    def _write_down(self, message: Submission, done: Done) -> None:
        """Record what a step has changed, or where it failed."""
        journal = self.system.ledger.record
        if journal is not None and done.state in ("changed", "failed"):
            entry: Dict[str, Any] = {"state": done.state, "why": done.why, "diff": done.diff}
            entry = {name: value for name, value in entry.items() if value}
            if done.error is not None:
                entry["error"] = done.error.message
            ran = {"ran": True} if self.system.ran else {}
            journal.step({"role": message.role, "step": message.label, **entry, **ran})

    def _run(self, message: Submission, ref: Ref) -> Done:
        step: Optional[Step] = None
        try:
            self.masks.learn(message.fields)
            for text in message.hide:
                self.masks.add(text)
            step = decode_step(message.kind, message.fields, self.refs)
            if step.when and not any(r.changed for r in step.when):
                ref.fingerprint = step.fingerprint(self.system)
                self.system.files.looked.add(getattr(step, "path", ""))
                return Done(ref.id, "ok", why="none of %s changed" % ", ".join(r.label for r in step.when))
            return self._try(step, ref, message.deadline, message.planned)
        except Exception as error:
            if not message.ignore:
                self._failures += 1
                self._broken_by = message.label
            self.failed.append(message.label)
            self._look(message, ref)
            why = describe(error)
            if step is None:
                return Done(ref.id, "failed", error=why, ignored=message.ignore)
            if step.as_user and isinstance(error, PermissionError):
                why = why.replace(hint="The step acts as %s (as_user): may they?" % step.as_user)
            return Done(ref.id, "failed", error=why, ignored=message.ignore, **said_by(step))

    def _look(self, message: Submission, ref: Ref) -> None:
        """Take the fingerprint after a failed or skipped step: units that depend on the step compare it."""
        with contextlib.suppress(Exception):
            step = decode_step(message.kind, message.fields, self.refs)
            ref.fingerprint = step.fingerprint(self.system)

    def _try(self, step: Step, ref: Ref, seconds: float, planned: Optional[str]) -> Done:
        """Converge. A failing step is retried as often as it specifies, each time with its full time limit.

        planned: the digest of the differences in a saved plan; None accepts any.
        """
        diff, begun, tried, digest = Diff.none(""), Diff.none(""), 1, ""
        while True:
            self.system.deadline = time.monotonic() + seconds
            self.system.files.forget()
            try:
                with acting_as(self.system, step.as_user):
                    diff = step.check(self.system)
                if diff:
                    digest = digest or self._digest(diff)
                    if planned not in (None, digest):
                        raise self._not_planned(diff, planned)
                    begun = diff
                    self._apply(step, diff)
                break
            except NotPlanned:
                raise
            except (ProvError, OSError) as error:
                if tried > step.retries:
                    raise
                tried += 1
                said = describe(error).message
                self.system.controller.progress("%s; try %d in %g s" % (said, tried, step.delay))
                if self.stopping.wait(step.delay):
                    raise
        # a try that failed halfway may leave nothing to do for the next one; that still counts as a change
        diff = step.done(diff or begun) if begun else diff
        if tried > 1:
            diff = diff._replace(why="; ".join(filter(None, [diff.why, "at try %d" % tried])))
        return self._converged(step, ref, diff, digest if self.system.planned else "")

    def _digest(self, diff: Diff) -> str:
        """Return a digest of the differences without their secrets, because plan files keep it."""
        return hashlib.sha256(json.dumps(self.masks.hide_in(diff.changes)).encode()).hexdigest()

    def _not_planned(self, diff: Diff, planned: Optional[str]) -> NotPlanned:
        found = "; ".join(" ".join(filter(None, change[:3])) for change in diff.changes)
        return NotPlanned(
            "not what was planned%s; now it would be: %s" % ("" if planned else ", which is nothing", found),
            hint="This step has changed nothing. Save a new plan, look at it, and deploy that.",
        )

    def _apply(self, step: Step, diff: Diff) -> None:
        if not self.system.planned:
            self.system.begin()
        proof = None if self.system.planned else self.system.proof
        guarded = step.guarded(self.system, diff) if proof is not None else None
        if proof is None or guarded is None:
            self._act(step, diff)
            return
        try:
            with guarded.against(proof):
                self._act(step, diff)
        except StepError:
            # the inputs that units were started with may have been rolled back
            self.system.units.forget()
            for name in step.units():
                self.system.ledger.forget_unit(name)
            raise

    def _act(self, step: Step, diff: Diff) -> None:
        try:
            with acting_as(self.system, step.as_user):
                step.apply(self.system, diff)
        finally:
            self.system.ledger.settle()

    def _converged(self, step: Step, ref: Ref, diff: Diff, digest: str) -> Done:
        if diff:
            ref._changed = True
            if not diff.maybe or not self.system.planned:
                self.changed.append(ref.label)
        ref.fingerprint = step.fingerprint(self.system)
        # a project's own step may report numbers
        found = [Change(*map(str, change)) for change in diff.changes]
        state = state_of(diff, self.system.planned)
        return Done(ref.id, state, str(diff.why), diff=found, digest=digest, **said_by(step))


def said_by(step: Step) -> Dict[str, Any]:
    """Return what a step says to later Python code, if anything."""
    return {name: str(text) for name, text in zip(("stdout", "stderr"), step.streams()) if text}


def state_of(diff: Diff, planned: bool) -> State:
    """Return the contract's word for what a step did, or would do in a plan."""
    if not diff:
        return "ok"
    return "maybe" if planned and diff.maybe else "changed"


def describe(error: Exception) -> Failure:
    """Return an exception as a message for the user."""
    if isinstance(error, StepError):
        argv = [str(part) for part in error.argv]
        return Failure(error.message, error.hint, argv, error.status, error.stdout, error.stderr)
    if isinstance(error, ProvError):
        return Failure(error.message, error.hint)
    if isinstance(error, OSError):
        return describe_os_error(error)
    if isinstance(error, RecursionError):
        return Failure(
            "there are too many folders in one another, or other things nested too deep to be walked",
            "Look for them with find -mindepth 200, and remove them with rm -rf if nothing in them is needed.",
        )
    # not foreseen, so a bug in the step: its author needs the traceback
    import traceback

    lines: Sequence[str] = traceback.format_exception(type(error), error, error.__traceback__)
    return Failure(
        "the step is at fault: %s: %s" % (type(error).__name__, error),
        "Please report this, with the lines above.",
        stderr="".join(lines[-4:]),
    )


def describe_os_error(error: OSError) -> Failure:
    """Describe a refusal by the kernel, with a hint for the common ones."""
    # lazy: most runs meet no refusal
    from provision.system.refusals import hint_for  # shipped

    what = (error.strerror or str(error)).lower()
    where = ": %s" % error.filename if error.filename else ""
    return Failure(what + where, hint_for(error))
