"""Messages between controller and agent, both ways: what each is called, and what its fields must look like. Shipped.

The first message from the host is `hello`, after a marker that tells it from whatever a login shell may have printed.
The receiver of a message has it checked here, field by field: neither side believes the other.
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
#: characters: of a name or a path, of a sentence, and of what a command prints or a difference shows
NAME, SENTENCE, OUTPUT = text(8192), text(256 * 1024), text(32 * 1024 * 1024)
#: numbers of steps and runs; seconds
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
    """All facts, and nothing else."""
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
    """One difference of a step."""
    return Change(*items(SENTENCE, SENTENCE, SENTENCE, OUTPUT)(value))


@shape
class Failure(Record):
    """Why a step failed: see errors.StepError."""

    message: str = of(SENTENCE)
    hint: str = of(SENTENCE, default="")
    argv: Sequence[str] = of(sequence(OUTPUT, 100_000), default=())
    status: Optional[int] = of(optional(number(-255, 2**32)), default=None)
    stdout: str = of(OUTPUT, default="")
    stderr: str = of(OUTPUT, default="")


@shape
class BeforeReboot(Record):
    """What the agent before a reboot of the host knew.

    within: seconds in which the host has to be back.  refs: number, label, changed and fingerprint of each step.
    failures: that there were so far.  run: number of its record.
    unsettled: labels of steps that failed or were skipped.  declared: what prov has made and they were about.
    """

    within: float = of(SECONDS)
    refs: Sequence[Tuple[int, str, bool, str]] = of(sequence(items(NUMBER, NAME, flag, SENTENCE), 1_000_000))
    failures: int = of(NUMBER)
    run: int = of(NUMBER)
    unsettled: Sequence[str] = of(sequence(NAME, 100_000), default=())
    declared: Sequence[str] = of(sequence(NAME, 1_000_000), default=())


class Message(Record):
    """op: what a message is called in its frame."""

    op = ""
    payload: bytes = b""

    def packed(self) -> bytes:
        """The message as it goes over the wire."""
        values = self.plain()
        payload = values.pop("payload", b"")
        return pack({"op": self.op, **values}, payload)


# -- from the host


@shape
class Hello(Message):
    """The agent is there. facts: what the host is.  boot: another one after each boot."""

    op = "hello"
    version: int = of(number(0, 2**31))
    facts: Mapping[str, Any] = of(facts)
    boot: str = of(text(64))


@shape
class Done(Message):
    """What came of a step. digest: tells differences from others, in a plan.  ignored: the role's reason to go on.
    reboot: the host reboots now, and another agent goes on."""

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
    """A step takes its time. text: the last line of what it prints."""

    op = "running"
    id: int = of(NUMBER)
    text: str = of(NAME)


@shape
class Need(Message):
    """The contents of a source are wanted. payload: what they are made from."""

    op = "need"
    key: str = of(NAME)
    payload: bytes = of(anything, default=b"")


@shape
class Note(Message):
    """Something worth telling that is not a step."""

    op = "note"
    text: str = of(SENTENCE)


@shape
class Undeclared(Message):
    """Something that an earlier run made, and that no step of this one was about: see undeclared.Thing."""

    op = "undeclared"
    kind: str = of(text(64))
    name: str = of(NAME)
    role: str = of(NAME)
    step: str = of(NAME)
    stays: bool = of(flag)


@shape
class Refused(Message):
    """The agent does not begin, or could not go on; nothing follows."""

    op = "refused"
    message: str = of(SENTENCE)
    hint: str = of(SENTENCE, default="")


@shape
class Prove(Message):
    """Someone is to log in again and confirm a token there (guard.py)."""

    op = "prove"
    token: str = of(text(64))


@shape
class Alive(Message):
    """There is nothing to say."""

    op = "alive"


@shape
class Bye(Message):
    """The agent has ended; nothing follows."""

    op = "bye"


# -- to the host


@shape
class Start(Message):
    """What the run is. who, commit: for its record.  login: the user that the controller logs in as.
    guard: seconds in which a change that can lock us out has to be proved; None: no one can ask.
    aside: a command of `prov run` is not a run to be remembered; without the lock, or locked.
    confirm: all that is wanted is to confirm this token.  resume: what the agent before a reboot knew."""

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
        """Whether the host remembers the run."""
        return not (self.plan or self.aside)


@shape
class Submission(Message):
    """A step. kind, fields: as codec.py writes it.  deadline: seconds.  seen: failures that note was taken of.
    units: that it will ask about.  planned: digest of what a saved plan says that it finds; None: anything.
    leave: the person has said no to it.  hide: secrets in it that are not Secrets."""

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
    """A module of steps, which steps after this need. payload: its source, compressed."""

    op = "module"
    name: str = of(NAME)
    payload: bytes = of(anything, default=b"")


@shape
class Chunk(Message):
    """A piece of what was needed, or why it can't be had."""

    op = "chunk"
    last: bool = of(flag)
    error: str = of(SENTENCE, default="")
    hint: str = of(SENTENCE, default="")
    payload: bytes = of(anything, default=b"")


@shape
class LoginVerdict(Message):
    """What came of a new login. why: it could not be done; "" if it was."""

    op = "verdict"
    token: str = of(text(64))
    why: str = of(SENTENCE)


@shape
class Stop(Message):
    """End after the step that is running; the rest is skipped."""

    op = "stop"


@shape
class End(Message):
    """There are no more steps. whole: all that the host is to have has been declared."""

    op = "end"
    whole: bool = of(flag)


Kinds = Dict[str, Type[Message]]


def kinds(*classes: Type[Message]) -> Kinds:
    """Messages by what they are called."""
    return {cls.op: cls for cls in classes}


FROM_HOST = kinds(Hello, Done, Running, Need, Note, Undeclared, Refused, Prove, Alive, Bye)
TO_HOST = kinds(Start, Submission, StepModule, Chunk, LoginVerdict, Stop, End)


def message(frame: Frame, expected: Kinds) -> Message:
    """The message in a frame. Raises ProtocolError for one that is none of these, or not as they must be."""
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
