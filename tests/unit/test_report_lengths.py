"""How long what people read is: plans of real hosts, recorded with --json, at several widths."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from provision.controller.events import About, Connected, Event, HostDone, StepDone, Summary, Tally
from provision.report.console import Console
from provision.report.plain_lines import PlainReport
from provision.report.reporting import Report, Style
from provision.report.shown_lines import flat
from provision.report.terminal import Terminal
from provision.steps.base import Change

RECORDED = Path(__file__).parent / "recorded"
ROLES = frozenset({"app", "base", "gunicorn", "nginx", "python", "tls"})
STYLE = Style(plan=True, diff_lines=20, builtin=ROLES)
#: without -v, as people look at a plan first
LIMITS = {"plan_one_line": 25, "plan_first": 50}


def events(name: str) -> list[Event]:
    """What a host has said of each step that would change something."""
    found: list[Event] = [Connected("web1", 0.4)]
    for line in (RECORDED / f"{name}.jsonl").read_text().splitlines():
        step = json.loads(line)
        diff = [Change(**change) for change in step["diff"]]
        about = About(step.get("app", ""), step.get("part", ""))
        found.append(
            StepDone(
                "web1", step["role"], step["step"], step["state"], why=step["why"], diff=diff, about=about
            )
        )
    return [*found, HostDone("web1", 1.0)]


def lines_of(report: Report, name: str, out: io.StringIO) -> list[str]:
    tally = Tally()
    for event in events(name):
        report.take(event)
        tally.count(event)
    report.finish(Summary({"web1": tally}, 1.0))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("name", LIMITS)
def test_a_plan_in_a_log_fits_a_screen(name: str) -> None:
    out = io.StringIO()
    lines = lines_of(PlainReport(out, STYLE), name, out)
    assert len(lines) <= LIMITS[name]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("name", LIMITS)
def test_a_plan_on_a_terminal_fits_a_screen(name: str, width: int) -> None:
    out = io.StringIO()
    lines = lines_of(Console(STYLE, ["web1"], sorted(ROLES), Terminal(file=out, width=width)), name, out)
    # a terminal breaks what is longer
    rows = sum(max(1, -(-len(line) // width)) for line in lines)
    assert rows <= LIMITS[name] + (5 if width == 80 else 0)


def test_the_line_that_has_changed_is_among_them() -> None:
    out = io.StringIO()
    lines = lines_of(PlainReport(out, STYLE), "plan_one_line", out)
    assert '    -    return "two\\n"' in lines
    assert '    +    return "three\\n"' in lines
    assert "behind_front" not in out.getvalue()


@pytest.mark.parametrize("name", LIMITS)
def test_nothing_is_left_out_of_the_whole(name: str) -> None:
    out = io.StringIO()
    text = "\n".join(lines_of(PlainReport(out, Style(plan=True, verbose=True)), name, out))
    steps = [event for event in events(name) if isinstance(event, StepDone)]
    assert [step.step for step in steps if flat(step.step) not in text] == []
