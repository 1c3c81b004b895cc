"""What hosts remember, and what the operator's machine makes of it."""

from __future__ import annotations

import contextlib
import io
import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzzed import JsonParser

from provision.errors import ProvError
from provision.report.jsonl import JsonLines
from provision.system.memory.former_states import FormerStates
from provision.system.memory.ledger import Ledger
from provision.system.memory.past_runs import Runs
from provision.system.memory.records import PAST, Damaged, understood
from provision.system.memory.undeclared import undeclared

RECORDS: list[Any] = [
    {
        "version": 2,
        "units": {
            "nginx.service": {"inputs": {"file a": "x"}, "at": "2026", "run": 1, "owes": "x", "renews": True}
        },
        "made": {
            "path /etc/x": {"role": "r", "step": "s", "whole": True, "feeds": ["nginx.service"]},
            "user bob": {"role": "r", "step": "s", "whole": False},
        },
        "known": {"a": {"state": "s", "values": {"a": "b"}}},
    },
    {
        "version": 1,
        "id": 1,
        "who": "a",
        "commit": "",
        "began": "2026",
        "ended": "",
        "changed": ["x"],
        "failed": ["y"],
        "begun": ["z"],
        "seconds": 1.0,
        "state": "done",
        "saved": False,
        "stepwise": True,
        "undoes": 1,
        "undone": 1,
    },
    [
        {
            "path": "/etc/x",
            "was": {"kind": "file", "mode": 420, "uid": 0, "gid": 0, "size": 1, "sha256": "x"},
            "copy": "1",
        },
        {
            "path": "/etc/y",
            "was": {"kind": "dir", "mode": 420, "uid": 0, "gid": 0, "attributes": {"a": "YQ=="}},
            "lost": "x",
        },
        {"whole": "/etc/x"},
        {"unit": "a", "was": {"load": "a", "active": "b", "enabled": "c"}, "did": "start"},
        {"fed": "a", "was": None},
        {"texts": {"/etc/passwd": "x"}},
        {"accounts": [{"file": "/etc/passwd", "name": "bob", "was": None, "now": "bob:x", "after": ""}]},
    ],
    [
        {"thing": "path /etc/y", "entry": {"role": "r", "step": "s", "whole": False}},
        {"unit": "a", "entry": None},
        {"inside": "/etc/x", "name": "y"},
    ],
    [
        {"begins": "s"},
        {
            "role": "r",
            "step": "s",
            "state": "changed",
            "why": "w",
            "diff": [["a", "b", "c", "d"]],
            "ran": True,
        },
    ],
    {"paths": {"/etc/x": {"kind": "absent"}}, "units": {"a": "enabled"}},
]
FILES = (
    "ledger.json",
    "runs/1/run.json",
    "runs/1/kept.jsonl",
    "runs/1/made.jsonl",
    "runs/1/steps.jsonl",
    "runs/1/left.json",
)


class Ledgers(JsonParser):
    name = "ledger"

    def seeds(self) -> list[bytes]:
        return [json.dumps(RECORDS).encode()]

    def run(self, data: bytes, folder: Path) -> None:
        (folder / "runs/1").mkdir(parents=True)
        for name, content in zip(FILES, contents(data), strict=False):
            (folder / name).write_bytes(content)
        ledger = Ledger(str(folder))
        ledger.lock()
        ledger.keep_damaged()
        use(ledger)
        ledger.save()
        ledger.unlock()
        runs = Runs(str(folder))
        for about in runs.all():
            runs.may_have_changed(about["id"], "x")
        for read in (
            lambda: runs.steps(1),
            lambda: FormerStates(runs, 1),
            lambda: FormerStates(runs, 1).left(),
        ):
            with contextlib.suppress(ProvError):
                read()


def contents(data: bytes) -> Iterator[bytes]:
    """The files of a ledger: one value each, lists as lines; what is not JSON goes into the first."""
    try:
        parts = json.loads(data)
    except (ValueError, RecursionError):
        yield data
        return
    for part in parts if isinstance(parts, list) else [parts]:
        if isinstance(part, list):
            yield b"".join(json.dumps(line).encode() + b"\n" for line in part)
        else:
            yield json.dumps(part).encode()


def use(ledger: Ledger) -> None:
    """What a run asks of it."""
    ledger.unit("nginx.service")
    ledger.since("nginx.service")
    ledger.may_have_changed("x")
    ledger.known("a", "s")
    ledger.remember_unit("nginx.service", {"file a": "y"})
    ledger.owe("nginx.service", "x")
    ledger.paid("nginx.service")
    ledger.made("path", "/etc/x/y")
    ledger.gone("path", "/etc/x")
    ledger.filled("/etc/x", ["y"])
    files = types.SimpleNamespace(
        looked=set(), tended=set(), stat=lambda path: None, list=lambda path: [], forget=lambda: None
    )
    accounts = types.SimpleNamespace(looked=set(), user=lambda name: None, group=lambda name: None)
    undeclared(types.SimpleNamespace(ledger=ledger, files=files, accounts=accounts))  # type: ignore[arg-type]


class History(JsonParser):
    name = "history"

    def seeds(self) -> list[bytes]:
        return [
            json.dumps(
                {
                    "runs": [RECORDS[1], {"id": 2, "began": "", "changed": [], "damaged": "x"}],
                    "steps": RECORDS[4][1:],
                }
            ).encode()
        ]

    def run(self, data: bytes, folder: Path) -> None:
        from provision.controller.events import PastRun
        from provision.report.history_report import HistoryShown

        with contextlib.suppress(Damaged):
            told = understood(data, PAST)
            reports = HistoryShown(named=True, out=io.StringIO(), err=io.StringIO()), JsonLines(io.StringIO())
            for run in told["runs"]:
                for report in reports:
                    report.take(PastRun("h", run, told.get("steps")))
