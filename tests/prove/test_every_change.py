"""The front of a host changes again and again while clients connect to it; writes its section of docs/proofs.md.

The sample of `make test` is in tests/lab/test_changed_fronts.py.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from helpers import proofspage
from helpers.changing_fronts import WELL, Changing
from helpers.hosts import Hosts
from helpers.matrixpage import table

pytestmark = pytest.mark.lab

HOST = "t-turn1"
CHANGES = 20


def test_fronts_change_under_connections(lab_hosts: Hosts, tmp_path: Path) -> None:
    changing = Changing(lab_hosts, tmp_path, HOST)
    found: dict[str, Counter[str]] = {}
    for _ in range(CHANGES):
        old, new = changing.turn()
        with changing.asked() as said:
            changing.deploy(status=0)
        found.setdefault(f"{old} to {new}", Counter()).update(said)
    proofspage.write(proofspage.FRONTS, report(found))
    assert {each for said in found.values() for each in said} == WELL, found


def report(found: dict[str, Counter[str]]) -> list[str]:
    """The section for people."""
    rows = []
    for change, said in found.items():
        lost = {what: count for what, count in said.items() if what not in WELL}
        refused = sum(count for what, count in lost.items() if "Refused" in what)
        rows.append([change, str(sum(said.values())), str(refused), str(sum(lost.values()) - refused)])
    return [
        f"{CHANGES} deploys in a row change the front of a host with one application. As they run,",
        "clients connect as fast as they can, from outside and on the host itself (IPv4 and IPv6), eight connect and",
        "ask 0.2 s later, as browsers do that connect ahead, and three ask by https.",
        "",
        table([["change", "connections", "refused", "reset, or without an answer"], *rows]),
    ]
