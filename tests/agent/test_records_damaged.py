"""What a host remembers, with wrong types, depths, sizes and encodings: set aside and said so; a deploy goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from agent_sessions import Agents

from provision.controller.events import Notice
from provision.errors import ProvError
from provision.steps.files import File
from provision.steps.history import History
from provision.steps.undo import Undo
from provision.system import caches, guard_proof, guard_watch
from provision.system.memory import records
from provision.system.memory.ledger import Ledger
from provision.system.memory.past_runs import Runs

pytestmark = pytest.mark.trust("7", "damaged-records")

UNIT = {"inputs": {"file /x": "y"}, "at": "2026", "run": 1}
MADE = {"role": "r", "step": "s", "whole": False}
LEDGER: dict[str, Any] = {"version": 2, "units": {"a.service": UNIT}, "made": {"path /x": MADE}}


def ledger(**parts: Any) -> bytes:
    return json.dumps({**LEDGER, **parts}).encode()


LEDGERS: dict[str, bytes] = {
    "a version of text": ledger(version="2"),
    "a version of true": ledger(version=True),
    "a huge version": b'{"version": ' + b"9" * 5000 + b', "units": {}, "made": {}}',
    "inputs are a list": ledger(units={"a.service": {**UNIT, "inputs": []}}),
    "an input is a number": ledger(units={"a.service": {**UNIT, "inputs": {"x": 1}}}),
    "at is a number": ledger(units={"a.service": {**UNIT, "at": 1}}),
    "run is text": ledger(units={"a.service": {**UNIT, "run": "1"}}),
    "made without a role": ledger(made={"path /x": {"step": "s", "whole": True}}),
    "whole is text": ledger(made={"path /x": {**MADE, "whole": "x"}}),
    "feeds are text": ledger(made={"path /x": {**MADE, "feeds": "a.service"}}),
    "a thing of one word": ledger(made={"path": MADE}),
    "a relative path": ledger(made={"path x": MADE}),
    "a path upwards": ledger(made={"path /srv/../etc": MADE}),
    "known is a number": ledger(known=7),
    "known values are numbers": ledger(known={"x": {"state": "s", "values": {"a": 1}}}),
    "deep": b'{"version": 2, "units": {}, "made": {}, "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "Latin-1": '{"version": 2, "units": {"caf\u00e9": {}}, "made": {}}'.encode("latin-1"),
    "NaN": b'{"version": 2, "units": {"x": {"run": NaN}}, "made": {}}',
    "many empty lists": b'{"version": 2, "units": {}, "made": {}, "more": [' + b"[]," * 600_000 + b"0]}",
}


@pytest.mark.parametrize("data", LEDGERS.values(), ids=LEDGERS.keys())
def test_a_damaged_ledger_is_set_aside(agents: Agents, root: Path, data: bytes) -> None:
    agents.ledger.mkdir()
    (agents.ledger / "ledger.json").write_bytes(data)
    with agents.session() as session:
        assert session.submit(File(f"{root}/x", "")).changed
    assert [n.text for n in agents.events if isinstance(n, Notice)] == [
        f"the ledger was damaged; it is kept as {agents.ledger}/ledger.json.damaged"
    ]
    assert (agents.ledger / "ledger.json.damaged").read_bytes() == data


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_something_else_in_its_place(agents: Agents, root: Path, kind: str) -> None:
    path = agents.ledger / "ledger.json"
    path.mkdir(parents=True) if kind == "folder" else agents.ledger.mkdir()
    if kind == "link":
        path.symlink_to("/etc/passwd")
    if kind == "fifo":
        os.mkfifo(path)
    (agents.ledger / "ledger.json.damaged").mkdir()
    (agents.ledger / "ledger.json.damaged/x").touch()
    with agents.session() as session:
        assert session.submit(File(f"{root}/x", "")).changed
    assert json.loads(path.read_text())["made"]


def test_fields_of_another_prov_stay(agents: Agents, root: Path) -> None:
    agents.ledger.mkdir()
    (agents.ledger / "ledger.json").write_bytes(
        ledger(more={"a": [1]}, units={"a.service": {**UNIT, "new": 1}})
    )
    with agents.session() as session:
        assert session.submit(File(f"{root}/x", "")).changed
    found = json.loads((agents.ledger / "ledger.json").read_text())
    assert (found["more"], found["units"]["a.service"]["new"]) == ({"a": [1]}, 1)
    assert [n for n in agents.events if isinstance(n, Notice)] == []


RUN: dict[str, Any] = {
    "version": 1, "id": 1, "began": "2026", "ended": "2026", "changed": ["file /x"], "failed": [], "state": "done",
    "seconds": 1.0,
}  # fmt: skip
STEP = {"role": "r", "step": "file /x", "state": "changed", "diff": [["content", "", "new", ""]]}
WAS: dict[str, Any] = {"kind": "file", "mode": 420, "uid": 0, "gid": 0, "size": 1, "sha256": "0" * 64}
KEPT: dict[str, Any] = {"path": "/x", "was": WAS, "copy": "1"}
RECORDS: dict[str, dict[str, Any]] = {
    "run.json": {
        "a list": [],
        "began is a number": {**RUN, "began": 1},
        "changed of numbers": {**RUN, "changed": [1]},
        "seconds are text": {**RUN, "seconds": "x"},
        "undone is text": {**RUN, "undone": "2"},
        "another id": {**RUN, "id": "../../etc"},
        "failed is text": {**RUN, "failed": "file /x"},
    },
    "steps.jsonl": {
        "no step": {"state": "changed"},
        "step is a list": {**STEP, "step": []},
        "diff of numbers": {**STEP, "diff": [1]},
        "diff of nothing": {**STEP, "diff": [[]]},
        "begins a number": {"begins": 7},
    },
    "made.jsonl": {
        "no entry": {"thing": "path /x"},
        "an entry of text": {"thing": "path /x", "entry": "x"},
        "a path upwards": {"thing": "path /../x", "entry": MADE},
        "a unit of lists": {"unit": "a.service", "entry": {"inputs": []}},
        "neither": {"entry": None},
    },
    "kept.jsonl": {
        "was is text": {**KEPT, "was": "file"},
        "an unknown kind": {**KEPT, "was": {"kind": "door"}},
        "a file without a hash": {**KEPT, "was": {"kind": "file"}},
        "a copy elsewhere": {**KEPT, "copy": "../../../etc/shadow"},
        "a relative path": {**KEPT, "path": "x"},
        "a link to a list": {"path": "/x", "was": {"kind": "link", "mode": 0, "uid": 0, "gid": 0, "target": []}},
        "attributes of no base64": {**KEPT, "was": {**WAS, "attributes": {"a": "%"}}},
        "a whole that was not kept": {"whole": "/y"},
        "a unit without states": {"unit": "a.service", "was": {}, "did": "start"},
        "accounts of numbers": {"accounts": [1]},
        "texts of lists": {"texts": {"/etc/passwd": []}},
        "nothing": {},
    },
    "left.json": {
        "no units": {"paths": {}},
        "paths of text": {"paths": {"/x": "file"}, "units": {}},
        "a path upwards": {"paths": {"/x/../y": {"kind": "absent"}}, "units": {}},
        "deep": None,
    },
}  # fmt: skip
CASES = [(name, what, value) for name, wrong in RECORDS.items() for what, value in wrong.items()]


@pytest.mark.parametrize(("name", "what", "value"), CASES, ids=[f"{name} {what}" for name, what, _ in CASES])
def test_a_damaged_record_of_a_run(agents: Agents, root: Path, name: str, what: str, value: Any) -> None:
    with agents.session() as session:
        session.submit(File(f"{root}/x", "one"))
    run = agents.ledger / "runs/1"
    text = json.dumps(value) if value is not None else "[" * 100_000
    following = "\n" + json.dumps(value) + "\n" if name.endswith("l") else ""
    (run / name).write_text(text + following)
    if name == "made.jsonl":
        # it counts for a run that has died only
        about = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps({**about, "ended": ""}))
    for step in (File(f"{root}/y", "two"), File(f"{root}/x", "three")):
        with agents.session() as session:
            assert session.submit(step).changed
    with agents.session(plan=True) as session:
        for asked in (History(), History(1), Undo(1), Undo()):
            outcome = session.submit(asked)
            try:
                told = outcome.wait().stdout
            except ProvError as error:
                assert "at fault" not in error.message
                assert error.message
                continue
            assert not told or records.understood(told.encode(), records.PAST)


def test_runs_of_odd_names(tmp_path: Path) -> None:
    for name in ("1", "\u00b2", "99999999999999999999", "x", "-1"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    assert Runs(str(tmp_path)).ids() == [1]
    assert Ledger(str(tmp_path)).last_run() == 1


@pytest.mark.parametrize("text", ["", "[]", "{", "7", '{"files": 1, "commands": []}', "[" * 100_000])
def test_the_guard_with_damaged_records(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "guard"
    folder.mkdir()
    (folder / "former.json").write_text(text)
    (folder / "armed").write_text(text)
    guard_watch.watch(str(folder))
    assert json.loads((folder / "restored").read_text())["paths"] == []
    (folder / "restored").write_text(text)
    assert "no new login confirmed a change" in guard_proof.settle_earlier(str(tmp_path))


def test_one_record_of_the_guard_does_not_keep_the_others(tmp_path: Path) -> None:
    folder, path = tmp_path / "guard", tmp_path / "new"
    folder.mkdir()
    path.write_text("x")
    files: list[Any] = [7, {}, {"path": 1, "kind": "file"}, {"path": str(path), "kind": "absent"}]
    (folder / "former.json").write_text(
        json.dumps({"files": files, "commands": [7, [], ["no such program"]]})
    )
    guard_watch.restore(str(folder))
    assert not path.exists()


def test_caches_that_are_something_else(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "hashes").write_bytes(b"\xff\x00 no hash\n\n 1\n")
    (tmp_path / "hashes").chmod(0o600)
    assert [caches.cached(str(tmp_path / name)) for name in ("fifo", "link")] == [b"", b""]
    assert caches.Hashes(str(tmp_path / "hashes")).find(Path("/").stat()) is None
