"""What hosts say of themselves, as people's terminals get it: nothing that steers them, by any report."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console as RichConsole

from provision.controller.events import (
    Event,
    FactsKnown,
    HostDone,
    Notice,
    Output,
    PastRun,
    StepDone,
    StepRunning,
    Summary,
    Tally,
    UndeclaredFound,
)
from provision.controller.fact_types import Facts
from provision.errors import StepError
from provision.report.console import Console
from provision.report.drift_report import DriftShown
from provision.report.facts_report import FactsShown
from provision.report.history_report import HistoryShown
from provision.report.jsonl import JsonLines
from provision.report.output import OutputShown
from provision.report.ping_report import Ping
from provision.report.plain_lines import PlainReport
from provision.report.reporting import Report, Style
from provision.report.screen import say, show_bug
from provision.report.terminal import Terminal
from provision.steps.base import Change

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066\u200f\u2028\r\udcff\ud800"
BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

WORDS = "distribution version codename family architecture kernel hostname python python_path init user login_user"
FACTS = Facts(**dict.fromkeys(WORDS.split(), EVIL), cpus=1, memory_mb=1, addresses=(EVIL,))
ERROR = StepError(EVIL, where=EVIL, hint=EVIL, argv=[EVIL], status=1, stdout=EVIL, stderr=EVIL)
STEP = StepDone(
    "h", "r", EVIL, "changed", why=EVIL, diff=[Change(EVIL, EVIL, EVIL), Change("c", text=f"@@\n+{EVIL}")]
)
FAILED = StepDone("h", "r", EVIL, "failed", why=EVIL, where=EVIL, line=EVIL, error=ERROR)
RUN: dict[str, Any] = {
    "id": 1, "began": EVIL, "state": EVIL, "changed": ["a"], "ended": EVIL, "seconds": 1.0, "who": EVIL, "commit": EVIL,
    "failed": [EVIL], "undoes": 3,
}  # fmt: skip
PAST = {
    "role": EVIL,
    "step": EVIL,
    "state": EVIL,
    "why": EVIL,
    "error": EVIL,
    "diff": [[EVIL, EVIL, EVIL, EVIL]],
}
EVENTS: list[Event] = [
    FactsKnown("h", FACTS),
    Output("h", 1, EVIL, EVIL),
    PastRun("h", RUN, [PAST]),
    PastRun("h", {"id": 1, "damaged": EVIL}),
    StepRunning("h", EVIL, EVIL, EVIL),
    STEP,
    FAILED,
    Notice("h", EVIL),
    UndeclaredFound("h", EVIL, EVIL, EVIL),
    HostDone("h", 1.0),
    HostDone("h", 1.0, ERROR, True),
]
REPORTS: dict[str, Callable[[], Report]] = {
    "ping": lambda: Ping(5),
    "facts": lambda: FactsShown(named=True),
    "history": lambda: HistoryShown(named=True),
    "drift": lambda: DriftShown(Style(plan=True)),
    "run": lambda: OutputShown(named=True),
    "deploy": lambda: PlainReport(sys.stdout, Style(verbose=True)),
    "plan": lambda: PlainReport(sys.stdout, Style(plan=True, fleet=True)),
    "json": lambda: JsonLines(sys.stdout),
}


class Tty(io.StringIO):
    """A terminal that shows nothing."""

    def isatty(self) -> bool:
        return True


def shown(make: Callable[[], Report], *events: Event) -> str:
    """All that a report prints of these events."""
    out, err = Tty(), Tty()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        report = make()
        for event in events:
            report.take(event)
        report.finish(Summary({"h": Tally(changed=1)}, 1.0))
    return out.getvalue() + err.getvalue()


@pytest.mark.trust("7", "terminal-escapes")
@pytest.mark.parametrize("name", REPORTS)
def test_no_report_lets_anything_through(name: str) -> None:
    text = shown(REPORTS[name], *EVENTS)
    assert BAD.findall(text) == []
    text.encode()
    assert name == "json" or "\\x1b" in text or "owned" not in text


@pytest.mark.trust("7", "terminal-escapes")
def test_json_stays_exact() -> None:
    lines = [json.loads(line) for line in shown(REPORTS["json"], STEP, Notice("h", EVIL)).splitlines()]
    assert lines[0]["step"] == lines[1]["text"] == EVIL
    assert lines[0]["diff"][0]["before"] == EVIL


@pytest.mark.trust("7", "terminal-escapes")
def test_the_console_lets_nothing_through() -> None:
    out = io.StringIO()
    console = Console(Style(verbose=True), ["h"], ["r"], Terminal(file=out, width=400))
    with contextlib.redirect_stdout(Tty()):
        for event in EVENTS:
            console.take(event)
        console.finish(Summary({"h": Tally(changed=1)}, 1.0))
    assert BAD.findall(out.getvalue()) == []
    assert "\\x1b]0;owned" in out.getvalue()


@pytest.mark.trust("7", "terminal-escapes")
def test_rich_itself_would() -> None:
    """Why there is a Terminal."""
    out = io.StringIO()
    RichConsole(file=out, width=400).print(EVIL[:-2])
    assert BAD.findall(out.getvalue())


@pytest.mark.trust("7", "terminal-escapes")
def test_what_a_command_has_printed_is_exact_in_a_pipe_only() -> None:
    raw = "\x1b[31mred\x1b[0m\r\nline\x0bone\x1b[2J"
    piped = io.StringIO()
    with contextlib.redirect_stdout(piped):
        OutputShown(named=False).take(Output("h", 0, raw, ""))
    assert piped.getvalue() == raw + "\n"
    assert shown(lambda: OutputShown(named=False), Output("h", 0, raw, "")) == "red\nline\\x0bone\\x1b[2J\n"


@pytest.mark.trust("7", "terminal-escapes")
def test_commands_and_bugs_say_it_in_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"1 {EVIL}")
    say(f"2 {EVIL}", err=True)
    try:
        raise ValueError(EVIL)
    except ValueError as error:
        show_bug(type(error), error, error.__traceback__)
    said = capsys.readouterr()
    assert BAD.findall(said.out + said.err) == []
    assert said.out.startswith("1 \\x1b]0;owned")
    assert "ValueError" in said.err
