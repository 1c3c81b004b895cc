"""JSON lines, against the contract in the design."""

from __future__ import annotations

import io
import json
from typing import Any

from report_events import EVENTS, FACTS, summary

from provision.controller.events import (
    Attention,
    Connecting,
    Event,
    FactsKnown,
    HostDone,
    Notice,
    Output,
    RoleStarted,
    StepRunning,
    Stopping,
)
from provision.report.jsonl import JsonLines


def written(events: list[Event], *, finish: bool = False) -> list[dict[str, Any]]:
    out = io.StringIO()
    report = JsonLines(out)
    for event in events:
        report.take(event)
    if finish:
        report.finish(summary(events))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_every_object_has_an_event_and_the_last_is_the_summary() -> None:
    found = written(EVENTS, finish=True)
    kinds = "host step step host host note step step host host summary"
    assert " ".join(line["event"] for line in found) == kinds
    counted = {"ok": 0, "changed": 0, "failed": 0, "skipped": 0, "maybe": 0, "unreachable": 0}
    assert found[-1] == {
        "event": "summary",
        "hosts": {
            "web1": counted | {"ok": 1, "changed": 1},
            "web2": counted | {"failed": 1, "skipped": 1},
            "db1": counted | {"unreachable": 1},
        },
        "seconds": 1.26,
    }


def test_steps() -> None:
    steps = {line["state"]: line for line in written(EVENTS) if line["event"] == "step"}
    changed, failed = steps["changed"], steps["failed"]
    assert changed == {
        "event": "step",
        "host": "web1",
        "role": "nginx",
        "step": "file /etc/x.conf",
        "state": "changed",
        "diff": [
            {
                "what": "content",
                "before": "",
                "after": "",
                "text": "--- /etc/x.conf\n+++ /etc/x.conf\n@@ -1,2 +1,2 @@\n a\n--old\n+new",
            },
            {"what": "mode", "before": "0600", "after": "0644", "text": ""},
        ],
        "why": "",
        "ms": 2.25,
        "where": "",
    }
    assert failed["where"] == "roles/nginx/__init__.py:14"
    error = failed["error"]
    assert (error["message"], error["status"]) == ("nginx refuses the configuration", 1)
    assert error["argv"] == ["nginx", "-t", "-c", "/a b"]
    assert error["stdout"] == "checking\n"
    assert "unknown" in error["stderr"] and error["hint"].startswith("Look at")


def test_hosts() -> None:
    states = [
        (line["host"], line["state"], line["seconds"]) for line in written(EVENTS) if line["event"] == "host"
    ]
    assert states == [
        ("web1", "connected", 0.104),
        ("db1", "unreachable", 0.5),
        ("web2", "connected", 0.2),
        ("web2", "failed", 1.0),
        ("web1", "done", 1.25),
    ]
    (gone,) = [line for line in written(EVENTS) if line.get("state") == "unreachable"]
    assert gone["error"]["hint"] == "Is it up?"


def test_what_only_watchers_need_is_left_out() -> None:
    assert written([Connecting("a"), RoleStarted("a", "r"), StepRunning("a", "r", "s", "50%")]) == []


def test_answers() -> None:
    facts, output, stopping = written([FactsKnown("a", FACTS), Output("a", 3, "o", "e"), Stopping("")])
    assert (
        facts["event"] == "facts"
        and facts["host"] == "a"
        and facts["addresses"] == ["192.0.2.1", "2001:db8::1"]
    )
    assert output == {"event": "output", "host": "a", "status": 3, "stdout": "o", "stderr": "e"}
    assert stopping == {"event": "stopping"}


def test_bytes_that_were_no_text_survive() -> None:
    assert written([Output("a", 0, "\udcff", "")])[0]["stdout"] == "\udcff"
    assert written([HostDone("a", 0.1)]) == [{"event": "host", "host": "a", "state": "done", "seconds": 0.1}]


def test_what_needs_attention_is_a_note_as_it_was_for_scripts_that_look_for_it() -> None:
    assert written([Notice("web1", "later"), Attention("web1", "shop is held")]) == [
        {"event": "note", "host": "web1", "text": "later"},
        {"event": "note", "host": "web1", "text": "shop is held", "attention": True},
    ]
