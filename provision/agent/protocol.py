"""Messages between controller and agent, both ways: their names, and the checks of their fields. Shipped.

The host's first message is `hello`, after a marker that separates it from any output of the login shell.
The receiver checks every field of a message: neither side trusts the other.
"""

from typing import Any, Dict, Literal, Mapping, Optional, Sequence, Tuple, Type

from provision.steps.base import Change
from provision.system.frames import Frame, ProtocolError, pack
from provision.system.shapes import (
    Check,
    Misshapen,
    Record,
    anything,
    flag,
    items,
    mapping,
    number,
    of,
    one,
    optional,
    real,
    sequence,
    shape,
    text,
    word,
)

VERSION = 1
State = Literal["ok", "changed", "failed", "skipped", "maybe"]
#: maximum characters of a name or path, of a sentence, and of a command's output or a diff
NAME, SENTENCE, OUTPUT = text(8192), text(256 * 1024), text(32 * 1024 * 1024)
#: step and run numbers; seconds
NUMBER, SECONDS = number(0, 2**31), real(0, 10**9)
FACT = text(1024)
FACTS: Dict[str, Check] = {
    **dict.fromkeys(("distribution", "version", "codename", "family", "architecture", "kernel"), FACT),
    **dict.fromkeys(("hostname", "python", "python_path", "init", "user", "login_user"), FACT),
    "cpus": number(1, 2**20),
    "memory_mb": number(0, 2**40),
    "addresses": sequence(text(64), 10_000),
}


def facts(value: Any) -> Dict[str, Any]:
    """Check that the value has all facts and nothing else."""
    found: Dict[str, Any] = mapping(anything)(value)
    if set(found) != set(FACTS):
        raise Misshapen("expected exactly %s" % ", ".join(FACTS))
    for name, check in FACTS.items():
        try:
            found[name] = check(found[name])
        except Misshapen as error:
            raise Misshapen("%s: %s" % (name, error)) from None
    return found


def change(value: Any) -> Change:
    """Check one difference that a step found."""
    return Change(*items(SENTENCE, SENTENCE, SENTENCE, OUTPUT)(value))


@shape
class Failure(Record):
    """Why a step failed. See errors.StepError."""

    message: str = of(SENTENCE)
    hint: str = of(SENTENCE, default="")
    argv: Sequence[str] = of(sequence(OUTPUT, 100_000), default=())
    status: Optional[int] = of(optional(number(-255, 2**32)), default=None)
    stdout: str = of(OUTPUT, default="")
    stderr: str = of(OUTPUT, default="")


@shape
class BeforeReboot(Record):
    """State that the agent before a reboot hands to the one after it.

    within: seconds in which the host must be back.  refs: number, label, changed and fingerprint of each
    step.  failures: number of failures so far.  run: number of the run's record.  unsettled: labels of steps
    that failed or were skipped.  declared: things that prov made and these steps declare.
    """

    within: float = of(SECONDS)
    refs: Sequence[Tuple[int, str, bool, str]] = of(sequence(items(NUMBER, NAME, flag, SENTENCE), 1_000_000))
    failures: int = of(NUMBER)
    run: int = of(NUMBER)
    unsettled: Sequence[str] = of(sequence(NAME, 100_000), default=())
    declared: Sequence[str] = of(sequence(NAME, 1_000_000), default=())


class Message(Record):
    """Base of all messages. op: the message's name in its frame."""

    op = ""
    payload: bytes = b""

    def packed(self) -> bytes:
        """Return the message as bytes for the wire."""
        values = self.plain()
        payload = values.pop("payload", b"")
        return pack({"op": self.op, **values}, payload)


# -- from the host


@shape
class Hello(Message):
    """The agent is ready. facts: about the host.  boot: id of the current boot.  clock: seconds since 1970."""

    op = "hello"
    version: int = of(number(0, 2**31))
    facts: Mapping[str, Any] = of(facts)
    boot: str = of(text(64))
    clock: float = of(real(0, 10**12))


@shape
class Done(Message):
    """The result of a step. digest: identifies the differences, in a plan.  ignored: why the role ignores the
    failure.  reboot: the host reboots now, and a new agent continues."""

    op = "outcome"
    id: int = of(NUMBER)
    state: State = of(word("ok", "changed", "failed", "skipped", "maybe"))
    why: str = of(OUTPUT, default="")
    diff: Sequence[Change] = of(sequence(change, 100_000), default=())
    ms: float = of(real(0, 10**12), default=0.0)
    stdout: str = of(OUTPUT, default="")
    stderr: str = of(OUTPUT, default="")
    error: Optional[Failure] = of(one(Failure), default=None)
    ignored: str = of(SENTENCE, default="")
    digest: str = of(text(64), default="")
    reboot: Optional[BeforeReboot] = of(one(BeforeReboot), default=None)


@shape
class Running(Message):
    """A step is still running. text: the last line of its output."""

    op = "running"
    id: int = of(NUMBER)
    text: str = of(NAME)


@shape
class Need(Message):
    """A request for the contents of a source. payload: the input from which they are made."""

    op = "need"
    key: str = of(NAME)
    payload: bytes = of(anything, default=b"")


@shape
class Note(Message):
    """A notice that does not belong to a step."""

    op = "note"
    text: str = of(SENTENCE)


@shape
class Undeclared(Message):
    """Something that an earlier run made and no step of this run declares. See undeclared.Thing."""

    op = "undeclared"
    kind: str = of(text(64))
    name: str = of(NAME)
    role: str = of(NAME)
    step: str = of(NAME)
    stays: bool = of(flag)


@shape
class Refused(Message):
    """The agent refuses to start, or could not continue. It is the last message."""

    op = "refused"
    message: str = of(SENTENCE)
    hint: str = of(SENTENCE, default="")


@shape
class Prove(Message):
    """A request to log in again and confirm a token there (guard.py)."""

    op = "prove"
    token: str = of(text(64))


@shape
class Alive(Message):
    """A heartbeat."""

    op = "alive"


@shape
class Bye(Message):
    """The agent has ended. It is the last message."""

    op = "bye"


# -- to the host


@shape
class Start(Message):
    """The settings of a run. who, commit: for its record.  login: the user that the controller logs in as.
    guard: seconds in which a change that can lock prov out must be proved; None if no new login is possible.
    aside: for a command of `prov run`, which is not recorded: "free" (without the lock) or "locked".
    confirm: a token; the session only confirms it.  resume: the state from before a reboot."""

    op = "start"
    plan: bool = of(flag)
    who: str = of(NAME, default="")
    commit: str = of(NAME, default="")
    login: str = of(NAME, default="")
    guard: Optional[float] = of(SECONDS, default=None)
    aside: str = of(word("", "free", "locked"), default="")
    confirm: str = of(text(64), default="")
    resume: Optional[BeforeReboot] = of(one(BeforeReboot), default=None)

    @property
    def recorded(self) -> bool:
        """Whether the host records the run."""
        return not (self.plan or self.aside)


@shape
class Submission(Message):
    """A step to run. kind, fields: see codec.py.  deadline: seconds.  seen: number of acknowledged
    failures.  units: names of units that it will query.  planned: digest of the differences in a saved plan;
    None accepts any.  leave: the user declined the step.  hide: secrets in it that are not Secret values."""

    op = "step"
    id: int = of(NUMBER)
    kind: str = of(NAME)
    fields: Mapping[str, Any] = of(mapping(anything))
    label: str = of(SENTENCE)
    role: str = of(NAME)
    deadline: float = of(SECONDS)
    seen: int = of(NUMBER)
    units: Sequence[str] = of(sequence(NAME, 100_000), default=())
    ignore: str = of(SENTENCE, default="")
    planned: Optional[str] = of(text(64), default=None)
    leave: bool = of(flag, default=False)
    hide: Sequence[str] = of(sequence(OUTPUT, 100_000), default=())


@shape
class StepModule(Message):
    """A module that later steps need. payload: its source, compressed."""

    op = "module"
    name: str = of(NAME)
    payload: bytes = of(anything, default=b"")


@shape
class Chunk(Message):
    """A piece of a requested source, or the reason why it is not available."""

    op = "chunk"
    last: bool = of(flag)
    error: str = of(SENTENCE, default="")
    hint: str = of(SENTENCE, default="")
    payload: bytes = of(anything, default=b"")


@shape
class LoginVerdict(Message):
    """The result of a new login. why: the reason it failed; "" if it worked."""

    op = "verdict"
    token: str = of(text(64))
    why: str = of(SENTENCE)


@shape
class Stop(Message):
    """Stop after the running step; skip the rest."""

    op = "stop"


@shape
class End(Message):
    """No more steps follow. whole: the run has declared all that the host should have.  brought: for its record."""

    op = "end"
    whole: bool = of(flag)
    brought: str = of(NAME, default="")


Kinds = Dict[str, Type[Message]]


def kinds(*classes: Type[Message]) -> Kinds:
    """Return the message classes by name."""
    return {cls.op: cls for cls in classes}


FROM_HOST = kinds(Hello, Done, Running, Need, Note, Undeclared, Refused, Prove, Alive, Bye)
TO_HOST = kinds(Start, Submission, StepModule, Chunk, LoginVerdict, Stop, End)


def message(frame: Frame, expected: Kinds) -> Message:
    """Return the message in a frame. Raises ProtocolError for an unexpected or malformed message."""
    op = frame.head["op"]
    cls = expected.get(op)
    if cls is None:
        raise ProtocolError("an unknown message %.40r" % op)
    values = {name: value for name, value in frame.head.items() if name != "op"}
    if "payload" in values or (frame.payload and "payload" not in cls.SHAPE):
        raise ProtocolError("a message %r with a payload" % op)
    if frame.payload:
        values["payload"] = frame.payload
    try:
        return cls.of(values)
    except (Misshapen, RecursionError) as error:
        raise ProtocolError("a message %r that is wrong: %s" % (op, error)) from None
