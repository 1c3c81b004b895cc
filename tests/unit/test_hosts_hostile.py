"""A host that lies, or is broken: its run ends with the reason, within bounds, and no one else's does."""

from __future__ import annotations

import itertools
import resource
import time
from typing import Any

import pytest
from hostile_host import BYE, FACTS, HELLO, OK, Liar, Mute, frames, one_step, raw, session, without

from provision.controller import agent_limits, login
from provision.controller.events import StepDone, StepRunning
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.errors import ProvError, UnreachableError
from provision.secrets import Secret
from provision.system.frames import LENGTHS, MARKER, MAX_HEADER

ERROR: dict[str, Any] = {"message": "x"}
REBOOT = {"within": 600.0, "refs": [[1, "x", True, ""]], "failures": 0, "run": 1}
ODD: dict[str, tuple[dict[str, Any] | bytes, ...]] = {
    "hello without a version": (without(HELLO, "version"),),
    "facts are a list": ({**HELLO, "facts": []},),
    "no facts": ({**HELLO, "facts": {}},),
    "cpus are text": ({**HELLO, "facts": {**FACTS, "cpus": "2"}},),
    "addresses are numbers": ({**HELLO, "facts": {**FACTS, "addresses": [1]}},),
    "a hostname of a megabyte": ({**HELLO, "facts": {**FACTS, "hostname": "x" * 1_000_000}},),
    "a fact that no one knows": ({**HELLO, "facts": {**FACTS, "more": 1}},),
    "two hellos": (HELLO, HELLO),
    "an outcome before hello": (OK,),
    "the end before hello": (BYE,),
    "an id that was never sent": (HELLO, {**OK, "id": 99}),
    "an outcome twice": (HELLO, OK, OK),
    "state is a list": (HELLO, {**OK, "state": []}),
    "state is unknown": (HELLO, {**OK, "state": "pwned"}),
    "failed without an error": (HELLO, {**OK, "state": "failed"}),
    "ok with an error": (HELLO, {**OK, "error": ERROR}),
    "error is text": (HELLO, {**OK, "state": "failed", "error": "x"}),
    "status is text": (HELLO, {**OK, "state": "failed", "error": {**ERROR, "status": "1"}}),
    "argv is text": (HELLO, {**OK, "state": "failed", "error": {**ERROR, "argv": "ls"}}),
    "diff of numbers": (HELLO, {**OK, "state": "changed", "diff": [1, 2]}),
    "diff of nine": (HELLO, {**OK, "state": "changed", "diff": [["a"] * 9]}),
    "diff of lists": (HELLO, {**OK, "state": "changed", "diff": [[[], {}, 3, None]]}),
    "why is a list": (HELLO, {**OK, "why": ["a"]}),
    "ms is text": (HELLO, {**OK, "ms": "x"}),
    "id is true": (HELLO, {**OK, "id": True}),
    "id is a float": (HELLO, {**OK, "id": 1.0}),
    "stdout is a number": (HELLO, {**OK, "stdout": 7}),
    "an unknown field": (HELLO, {**OK, "admin": True}),
    "a payload where none belongs": (HELLO, raw('{"op":"bye"}', b"x")),
    "need of a path": (HELLO, {"op": "need", "key": "/etc/passwd"}),
    "need without a key": (HELLO, {"op": "need"}),
    "a note that is an object": (HELLO, {"op": "note", "text": {"a": 1}}),
    "running of an unknown step": (HELLO, {"op": "running", "id": 5, "text": "x"}),
    "an empty reboot": (HELLO, {**OK, "reboot": {}}),
    "a reboot that no one asked for": (HELLO, {**OK, "reboot": REBOOT}),
    "an empty undeclared": (HELLO, {"op": "undeclared"}),
    "a message of the other way": (HELLO, {"op": "chunk", "last": True}),
    "an unknown message": (HELLO, {"op": "sudo"}),
    "NaN": (HELLO, raw('{"op":"outcome","id":1,"state":"ok","ms":NaN}')),
    "infinity": (HELLO, raw('{"op":"outcome","id":1,"state":"ok","ms":1e999}')),
    "a name twice": (HELLO, raw('{"op":"bye","op":"note"}')),
    "no UTF-8": (HELLO, raw(b'{"op":"note","text":"\xff"}')),
    "deep JSON": (HELLO, raw('{"op":"note","text":' + "[" * 100_000 + "]" * 100_000 + "}")),
    "a number of a million digits": (HELLO, raw('{"op":"outcome","id":' + "9" * 1_000_000 + "}")),
    "a huge frame": (HELLO, LENGTHS.pack(MAX_HEADER + 1, 0)),
    "a million small values": (HELLO, raw('{"op":"note","text":[' + "[]," * 1_000_000 + "0]}")),
    "half a frame": (HELLO, frames(OK)[:-3]),
}  # fmt: skip


@pytest.mark.trust("7", "hostile-frames")
@pytest.mark.parametrize("heads", ODD.values(), ids=ODD.keys())
def test_an_odd_frame_ends_one_host_with_its_reason(heads: tuple[dict[str, Any] | bytes, ...]) -> None:
    with pytest.raises(UnreachableError) as raised:
        one_step(*heads)
    assert raised.value.message
    assert len(raised.value.message) < 500
    assert raised.value.hint


def test_an_honest_host_is_believed() -> None:
    (step,) = [event for event in one_step(HELLO, OK, BYE) if isinstance(event, StepDone)]
    assert (step.state, step.ms) == ("ok", 1.0)


@pytest.mark.trust("7", "hostile-frames")
def test_text_that_is_no_text_gets_through_whole() -> None:
    """Names of files that are not UTF-8 travel as lone surrogates: reports show them, see test_terminal_text."""
    (step,) = [e for e in one_step(HELLO, {**OK, "why": "\udcff\ud800"}, BYE) if isinstance(e, StepDone)]
    assert step.why == "\udcff\ud800"


@pytest.mark.trust("7", "hostile-frames")
@pytest.mark.parametrize(
    "head",
    [{"op": "alive"}, {"op": "note", "text": "again"}, {"op": "running", "id": 1, "text": "again"},
     {"op": "prove", "token": "t"}, {"op": "undeclared", "kind": "file", "name": "/x", "role": "", "step": "",
                                     "stays": False}],
    ids=lambda head: head["op"],
)  # fmt: skip
def test_messages_without_end(head: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_limits, "MOST", dict.fromkeys(agent_limits.MOST, 2000))
    with pytest.raises(UnreachableError, match=r"without end|more than 2000"):
        one_step(HELLO, endless=itertools.repeat(frames(head) * 100))


@pytest.mark.trust("7", "hostile-frames")
def test_progress_is_not_shown_faster_than_it_can_be_read() -> None:
    running = {"op": "running", "id": 1, "text": "again"}
    told = one_step(HELLO, *[running] * 500, OK, BYE)
    assert sum(isinstance(event, StepRunning) for event in told) < 20


@pytest.mark.trust("7", "hostile-frames")
def test_what_a_host_says_in_all_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_limits, "MOST_BYTES", 1_000_000)
    with pytest.raises(UnreachableError, match="more than 0 MB"):
        one_step(HELLO, {**OK, "stdout": "x" * 1_000_000})


# -- before the agent speaks


def memory() -> int:
    """Kilobytes that this process has ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.trust("7", "host-fills-controller-memory")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_shell_that_prints_without_end(stream: str) -> None:
    words = itertools.repeat(b"Welcome to this host, have a nice day\n" * 1000)
    channel = Liar(words) if stream == "stdout" else Liar(itertools.repeat(b""), err=words)
    before = memory()
    with pytest.raises(UnreachableError, match="prints more than 1 MB before prov's agent starts") as raised:
        assert session(channel).facts
    assert "it begins with: Welcome to this host" in raised.value.message
    assert memory() - before < 50_000
    assert channel.closed


@pytest.mark.trust("7", "host-fills-controller-memory")
def test_stderr_after_the_agent_has_begun_is_thrown_away() -> None:
    channel = Liar([MARKER + frames(HELLO), *[b""] * 300], err=itertools.repeat(b"x" * 100_000, 300))
    found = session(channel)
    assert found.facts.cpus == 1
    with pytest.raises(UnreachableError, match="the connection was cut"):
        found.finish()
    assert len(channel.err) < 1_000_000


@pytest.mark.trust("7", "login-shells")
def test_a_shell_that_prints_slowly_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "START_TIMEOUT", 0.3)

    def slowly() -> Any:
        while True:
            time.sleep(0.02)
            yield b"still here\n"

    with pytest.raises(UnreachableError, match="has not begun prov's script within 0 s; it says: still here"):
        assert session(Liar(slowly(), greets=False)).facts


@pytest.mark.trust("7", "host-fills-controller-memory")
def test_one_interrupt_ends_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    found = session(Mute([]))
    found.stop()
    with pytest.raises(UnreachableError, match="stopped before prov's agent had started"):
        assert found.facts


@pytest.mark.trust("7", "login-shells")
def test_one_interrupt_ends_waiting_for_sudo() -> None:
    asks = login.Login(sudo=True, password=Secret("pw"))
    with pytest.raises(UnreachableError, match="stopped before prov's agent had started"):
        Session("h", lambda _: Mute([], greets=False), asks, RunOptions(who="", stopped=lambda: True))


# -- sudo, and shells


def started(out: bytes, err: bytes, **options: Any) -> ProvError:
    """Why no agent starts on a host that says this."""
    channel = Liar([out] if out else [], err=[err], greets=False)
    starter = login.Login(sudo=True, **options)
    with pytest.raises(ProvError) as raised:
        assert Session("h", lambda _: channel, starter, RunOptions(plan=True, who="")).facts
    return raised.value


REASONS = [
    (b"admin is not in the sudoers file.\n", "this user may not use sudo"),
    (b"sudo: sorry, you must have a tty to run sudo\n", "requiretty"),
    (b"bash: line 1: sudo: command not found\n", "the host has no sudo"),
    ("env: \u2018sudo\u2019: No such file or directory\n".encode(), "the host has no sudo"),
    (b"Sorry, user admin is not allowed to execute '/usr/bin/sh -c echo PROV:shell >&2; read -r mode;' as root\n",
     "this user may not run everything by sudo"),
    (b"sudo: Account or password is expired, reset your password and try again\n", "password has expired"),
    (b"Sudo: etwas ganz anderes\n", "the agent did not start: Sudo: etwas ganz anderes"),
]  # fmt: skip


@pytest.mark.trust("7", "sudo-reason-lost")
@pytest.mark.parametrize(("err", "reason"), REASONS, ids=[reason for _, reason in REASONS])
@pytest.mark.parametrize("known", [True, False], ids=["password known", "password unknown"])
def test_sudo_is_quoted_with_its_reason(err: bytes, reason: str, known: bool) -> None:
    error = started(b"", err, password=Secret("pw") if known else None)
    assert reason in error.message
    assert error.hint


@pytest.mark.trust("7", "login-shells")
def test_start_files_that_read_stdin() -> None:
    error = started(b"", b"PROV:shell\nPROV:eaten\n")
    assert "start files reads standard input" in error.message
    assert "~/.bashrc" in error.hint


class Sudo(Liar):
    """A sudo that refuses in its own words without asking, and asks where it may."""

    def __init__(self, command: str, refusal: str) -> None:
        self.asks = "PROV-SUDO-PASSWORD:" in command
        super().__init__([], err=[b"PROV-SUDO-PASSWORD:" if self.asks else refusal.encode()], greets=False)

    def send(self, data: bytes) -> None:
        super().send(data)
        if self.asks and data == b"right\n":
            self.asks = False
            self._err = iter([b"PROV:shell\n"])
            self._says = iter([b"", MARKER + frames(HELLO, BYE)])


class SlowSudo(Sudo):
    """A sudo that takes its time to judge a password, as with a directory on another host."""

    def __init__(self, command: str) -> None:
        super().__init__(command, "")
        self.judges_until = 0.0

    def send(self, data: bytes) -> None:
        super().send(data)
        if data == b"right\n":
            self.judges_until = time.monotonic() + 1.0

    def wait(self, timeout: float) -> bool:
        if time.monotonic() < self.judges_until:
            time.sleep(0.02)
            return False
        return super().wait(timeout)


def test_a_password_that_is_judged_slowly_is_not_taken_for_start_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(login, "PROBE_AFTER", 0.1)

    def open_channel(command: str) -> Liar:
        if "PROV-SUDO-PASSWORD:" in command:
            return SlowSudo(command)
        return Liar([], err=[b"PROV:probe\n" if "probe" in command else b"sudo: no\n"], greets=False)

    asks = login.Login(sudo=True, password=Secret("right"))
    assert Session("h", open_channel, asks, RunOptions(plan=True, who="")).facts.cpus == 1


FOREIGN = [
    "sudo: Ein Passwort ist notwendig\n",
    "sudo-rs: interactive authentication is required\n",
    "doas: ?\n",
    "",
]


@pytest.mark.trust("7", "sudo-other-words")
@pytest.mark.parametrize("refusal", FOREIGN)
def test_a_password_is_asked_for_whatever_sudo_says(refusal: str) -> None:
    opened: list[Sudo] = []

    def open_channel(command: str) -> Sudo:
        opened.append(Sudo(command, refusal))
        return opened[-1]

    asked = login.Login(sudo=True, ask=lambda: Secret("right"))
    found = Session("h", open_channel, asked, RunOptions(plan=True, who=""))
    assert found.facts.cpus == 1
    assert len(opened) == 2
    assert opened[0].sent.startswith(b"exit 97; keep\n"), (
        "nothing that is a password, and nothing that a shell would run"
    )
    assert opened[1].sent.startswith(b"right\nexit 97; keep\n")


@pytest.mark.trust("7", "sudo-other-words")
@pytest.mark.parametrize("refusal", FOREIGN)
def test_without_anybody_to_ask_it_is_told(refusal: str) -> None:
    with pytest.raises(UnreachableError, match="sudo wants a password"):
        assert Session(
            "h",
            lambda command: Sudo(command, refusal),
            login.Login(sudo=True),
            RunOptions(plan=True, who=""),
        ).facts
