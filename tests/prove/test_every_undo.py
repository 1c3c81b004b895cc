"""A deploy of every built-in role is undone to the byte; writes its section of docs/proofs.md.

The sample of `make test` is in tests/lab/test_history.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import proofspage
from helpers.hosts import Hosts
from helpers.matrixpage import table
from helpers.undoing import NAMES, Undoing, Undone

pytestmark = pytest.mark.lab

HOST = "t-undo1"


@pytest.fixture(scope="module")
def seen() -> Iterator[list[Undone]]:
    """What has come of each role; when all have been tried it becomes the section."""
    found: list[Undone] = []
    yield found
    if [one.role for one in found] == NAMES:
        proofspage.write(proofspage.UNDO, report(found))


@pytest.fixture(scope="module")
def undoing(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Undoing:
    lab_hosts.one(HOST)
    return Undoing(tmp_path_factory.mktemp("undo"), HOST)


@pytest.mark.parametrize("role", NAMES)
def test_a_role_is_undone(undoing: Undoing, seen: list[Undone], role: str) -> None:
    try:
        undone = undoing.one(role)
    except AssertionError as error:
        undone = Undone(role, differences=[str(error)])
    seen.append(undone)
    assert undone.differences == []


def report(found: list[Undone]) -> list[str]:
    """The section for people."""
    good = sum(not one.differences for one in found)
    rows = [[one.role, str(one.steps), str(one.paths), "no" if one.differences else "yes"] for one in found]
    lines = [
        f"{len(found)} built-in roles, {good} undone. Each with what `prov test` deploys, applications among it, on a",
        "host that has the packages: they stay when a deploy is undone, and so does what they bring, so each role is",
        "deployed and undone once, and the result is the state before. Deployed and undone once more, all of",
        "/etc (contents, modes, owners, links; users and groups are in it), which units are enabled, and which run or",
        "have failed, are what they were. Left out: /etc/hosts, which the lab writes to, and /etc/ld.so.cache.",
        "",
        table([["role", "steps that changed something", "paths in /etc that they changed", "undone"], *rows]),
    ]
    missed = [one for one in found if one.differences]
    if missed:
        lines += ["Not undone:", "", *(f"- {one.role}: {one.differences[0]}" for one in missed), ""]
    return lines
