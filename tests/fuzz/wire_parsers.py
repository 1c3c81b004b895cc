"""Both ends of the channel: the session on the operator's machine, and the agent's link."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzzed import JsonParser, Parser

from provision.agent.codec import decode_step
from provision.agent.link import FrameLink
from provision.agent.protocol import Submission
from provision.controller.channel import LoggedIn
from provision.controller.events import Event
from provision.controller.login import Login
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.controller.step_encoding import encode_step
from provision.report.jsonl import JsonLines
from provision.report.plain_lines import PlainReport
from provision.report.reporting import Style
from provision.secrets import Secret
from provision.steps.files import File
from provision.steps.users import User
from provision.system import frames

FACTS = {
    **dict.fromkeys(("distribution", "version", "codename", "family", "architecture", "kernel"), "x"),
    **dict.fromkeys(("hostname", "python", "python_path", "init", "user", "login_user"), "x"),
    "cpus": 1,
    "memory_mb": 1,
    "addresses": ["192.0.2.1"],
}
REBOOT = {"within": 600.0, "refs": [[1, "x", True, ""]], "failures": 0, "run": 1}
ERROR = {"message": "x", "hint": "h", "argv": ["a"], "status": 1, "stdout": "o", "stderr": "e"}
TOLD: list[dict[str, Any]] = [
    {"op": "hello", "version": 1, "facts": FACTS, "boot": "b", "clock": 1.0},
    {"op": "note", "text": "x"},
    {"op": "running", "id": 1, "text": "x"},
    {"op": "alive"},
    {
        "op": "outcome",
        "id": 1,
        "state": "changed",
        "why": "w",
        "diff": [["a", "b", "c", ""]],
        "ms": 1.0,
        "stdout": "o",
        "digest": "d",
    },
    {"op": "outcome", "id": 2, "state": "failed", "error": ERROR, "ms": 1, "ignored": "x"},
    {"op": "prove", "token": "t"},
    {"op": "undeclared", "kind": "file", "name": "/x", "role": "r", "step": "s", "stays": False},
    {"op": "need", "key": "x"},
    {"op": "refused", "message": "x", "hint": "y"},
    {"op": "outcome", "id": 2, "state": "ok", "reboot": REBOOT},
    {"op": "bye"},
]


class Says(LoggedIn):
    """A channel on which a host has said something."""

    def __init__(self, says: bytes) -> None:
        self.out, self.err, self.eof, self.silent = bytearray(), bytearray(b"PROV:shell\n"), False, False
        self._says = [says[at : at + 4096] for at in range(0, len(says), 4096)]

    def send(self, data: bytes) -> None: ...

    def end_input(self) -> None: ...

    def close(self) -> None: ...

    def wait(self, timeout: float) -> bool:
        if self._says:
            self.out += self._says.pop(0)
        else:
            self.eof = True
        return True


def talk(says: bytes) -> None:
    """A run of two steps on a host that says this, with its reports."""
    reports = PlainReport(io.StringIO(), Style(verbose=True)), JsonLines(io.StringIO())

    def emit(event: Event) -> None:
        for report in reports:
            report.take(event)

    session = Session("h", lambda command: Says(says), Login(), RunOptions(emit=emit, who="x"))
    try:
        for path in ("/x", "/y"):
            session.submit(File(path, "text"))
        session.finish()
    finally:
        session.abandon()


class Messages(JsonParser):
    name = "messages"

    def seeds(self) -> list[bytes]:
        return [json.dumps(TOLD).encode(), json.dumps([TOLD[0], TOLD[4], TOLD[11]]).encode()]

    def run(self, data: bytes, folder: Path) -> None:
        talk(frames.MARKER + b"".join(packed(data)))


def packed(data: bytes) -> Iterator[bytes]:
    """Each value of a list in a frame of its own; what is not JSON is one."""
    try:
        heads = json.loads(data)
    except (ValueError, RecursionError):
        heads = None
    for head in heads if isinstance(heads, list) else [data]:
        header = head if isinstance(head, bytes) else json.dumps(head).encode()
        yield frames.LENGTHS.pack(len(header), 0) + header


class Stream(Parser):
    name = "stream"
    words = (
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        frames.MARKER,
        b'{"op":1}',
        b"[" * 5000,
        b'{"op":"x"}',
        b"1" * 5000,
        b"\x00\x00\x10\x00",
        b'{"op":"bye"}',
        b"NaN",
    )

    def seeds(self) -> list[bytes]:
        return [b"noise\n" + frames.MARKER + b"".join(frames.pack(head) for head in TOLD)]

    def run(self, data: bytes, folder: Path) -> None:
        talk(data)


ORDERED: list[dict[str, Any]] = [
    {
        "op": "start",
        "plan": False,
        "who": "x",
        "commit": "c",
        "login": "root",
        "guard": 60.0,
        "resume": REBOOT,
    },
    {"op": "start", "plan": True, "confirm": "t", "aside": "free"},
    {"op": "module", "name": "steps.x"},
    {"op": "chunk", "last": True, "error": "x", "hint": "y"},
    {"op": "verdict", "token": "t", "why": ""},
    {"op": "stop"},
    {"op": "end", "whole": True},
]


class Agent(JsonParser):
    """The agent's end: what the controller sends, and the steps in it."""

    name = "agent"
    allowed = (ValueError,)

    def seeds(self) -> list[bytes]:
        steps = [
            File("/a", Secret("x")),
            User("bob", groups=("a",), password="!"),
            File("/b", "c", mode=0o600),
        ]
        found = []
        for number, step in enumerate(steps):
            kind, fields = encode_step(step, lambda value: None)
            found.append(
                {
                    "op": "step",
                    "id": number,
                    "kind": kind,
                    "fields": fields,
                    "label": "x",
                    "role": "r",
                    "deadline": 1.0,
                    "seen": 0,
                    "units": ["a"],
                    "hide": ["x"],
                    "planned": "d",
                    "leave": False,
                }
            )
        return [json.dumps(found[:1] + ORDERED).encode(), json.dumps(found).encode()]

    def run(self, data: bytes, folder: Path) -> None:
        link = FrameLink(io.BytesIO(b"".join(packed(data))), io.BytesIO())
        # as many as there may be wait for a reader that there is not
        link.chunks.maxsize = 0
        link._read()
        while (told := link.messages.get()) is not None:
            if isinstance(told, Submission):
                with contextlib.suppress(ValueError):
                    decode_step(told.kind, told.fields, {})
