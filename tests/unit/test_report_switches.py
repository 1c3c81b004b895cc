"""How a plan's forecast of switches is printed."""

from __future__ import annotations

import io
import json

from provision.controller.events import Summary, Switch, Tally
from provision.report.jsonl import JsonLines
from provision.report.plain_lines import PlainReport
from provision.report.reporting import Style

FOUND = [Switch("web1", "shop"), Switch("web2", "shop"), Switch("web1", "blog", ("nginx restarts",))]


def test_equal_switches_are_shown_once() -> None:
    out = io.StringIO()
    report = PlainReport(out, Style(plan=True))
    for event in FOUND:
        report.take(event)
    report.finish(Summary({"web1": Tally(), "web2": Tally()}, 1.0))
    lines = out.getvalue().splitlines()
    assert lines[:2] == [
        "! blog: may have a gap (only web1): nginx restarts",
        "shop: switches without a gap (all 2 hosts)",
    ]


def test_scripts_get_each_of_them() -> None:
    out = io.StringIO()
    report = JsonLines(out)
    for event in FOUND:
        report.take(event)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"event": "switch", "host": "web1", "app": "shop", "gaps": []},
        {"event": "switch", "host": "web2", "app": "shop", "gaps": []},
        {"event": "switch", "host": "web1", "app": "blog", "gaps": ["nginx restarts"]},
    ]
