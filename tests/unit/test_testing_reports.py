"""What is said while roles are tested: at a terminal, in a log, as JSON, as JUnit XML."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

from provision.controller.events import StepDone
from provision.errors import LabError, StepError
from provision.report.formats.as_json import Json
from provision.report.formats.as_plain import PlainFormat
from provision.report.terminal import Terminal
from provision.steps.base import Change
from provision.testing.junit import write_junit
from provision.testing.results import Event, Finished, StageDone, StageStarted, TestResult, TrialDone
from provision.testing.trial_report import TrialItems
from provision.testing.trial_table import TrialTable
from provision.testing.trials import Trial

GOOD = Trial("nginx", True, "debian-12", (), {})
BAD = Trial("shop", True, "debian-13", (), {})
AGAIN = StepDone(
    "h",
    "shop",
    "file /etc/now",
    "changed",
    diff=[Change("mode", "0600", "0644")],
    where="roles/shop/__init__.py:7",
)
FAILED = StepDone("h", "shop", "file /x", "failed", error=StepError("no\x1b[31m folder", hint="Make it."))
EVENTS: list[Event] = [
    StageStarted(GOOD, "boot"),
    StageDone(GOOD, "boot", "passed", 1.0),
    StageDone(GOOD, "verify", "skipped", 0.0, "nginx has no tests"),
    TrialDone(GOOD, True, 2.0, hosts_left=["test-nginx-debian-12"]),
    StageStarted(BAD, "deploy again"),
    StageDone(BAD, "deploy again", "failed", 1.5, "changed again: file /etc/now", steps=[AGAIN]),
    StageDone(
        BAD,
        "verify",
        "failed",
        3.0,
        "failed: test_x",
        tests=[
            TestResult("h", "test_x", "failed", 0.5, "assert 1 == 2", "E  1 == 2"),
            TestResult("h", "test_y", "passed", 0.5),
        ],
    ),
    StageDone(BAD, "undo", "failed", 1.0, "failed: undo", steps=[FAILED]),
    TrialDone(BAD, False, 6.0, error=LabError("it would not go", hint="prov lab down h")),
]


def finished() -> Finished:
    found = Finished()
    for event in EVENTS:
        found.take(event)
    return found


def test_plain_lines() -> None:
    out = io.StringIO()
    report = TrialItems(PlainFormat(out))
    for event in EVENTS:
        report.take(event)
    report.finish(finished(), 6.25)
    lines = out.getvalue().splitlines()
    assert "nginx debian-12: boot: passed (1.0 s)" in lines
    assert "nginx debian-12: verify: skipped: nginx has no tests" in lines
    assert "    prov lab ssh test-nginx-debian-12" in lines
    at = lines.index("shop debian-13: deploy again: failed (1.5 s): changed again: file /etc/now")
    assert lines[at + 1 : at + 4] == [
        "    h: shop: file /etc/now: changed",
        "        ~ mode 0600 -> 0644",
        "        roles/shop/__init__.py:7",
    ]
    assert "    h: test_x: assert 1 == 2" in lines
    assert "\x1b" not in out.getvalue()
    assert lines[-1] == ("1 trial passed, 1 trial failed (shop debian-13: deploy again, verify, undo), 6.2 s")


def test_json_lines() -> None:
    out = io.StringIO()
    report = TrialItems(Json(out))
    for event in EVENTS:
        report.take(event)
    report.finish(finished(), 6.25)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines][-2:] == ["trial", "summary"]
    assert [line["test"] for line in lines if line["event"] == "test"] == ["test_x", "test_y"]
    (again,) = [line for line in lines if line.get("stage") == "deploy again"]
    assert (again["subject"], again["image"], again["state"]) == ("shop", "debian-13", "failed")
    assert again["steps"][0]["step"] == "file /etc/now"
    assert lines[-2]["error"]["message"] == "it would not go"


def test_at_a_terminal() -> None:
    screen = io.StringIO()
    terminal = Terminal(file=screen, width=150, force_terminal=True, color_system=None, legacy_windows=False)
    report = TrialTable([GOOD, BAD], terminal)
    try:
        for event in EVENTS:
            report.take(event)
    finally:
        report.close()
    report.finish(finished(), 6.25)
    said = screen.getvalue()
    assert "deploy again" in said
    assert "FAILED" in said
    assert "shop debian-13: deploy again: failed (1.5 s): changed again: file /etc/now" in said
    assert "boot: passed" not in said, "the table says it"


def test_junit(tmp_path: Path) -> None:
    path = tmp_path / "deeper/found.xml"
    write_junit(path, finished())
    good, bad = ET.parse(path).getroot()
    assert (good.get("name"), good.get("tests"), good.get("failures"), good.get("skipped")) == (
        "nginx debian-12",
        "2",
        "0",
        "1",
    )
    failed = {case.get("name"): case.find("failure") for case in bad if case.find("failure") is not None}
    assert set(failed) == {"deploy again", "verify", "test_x (h)", "undo", "remove"}
    undo = failed["undo"]
    assert undo is not None and "no\\x1b[31m folder" in str(undo.text)
