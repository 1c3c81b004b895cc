"""Runs that are killed at many moments under 100 requests a second: no answer but 2xx, before, during and after."""

from __future__ import annotations

import os

import pytest
from helpers.hosts import Hosts
from helpers.traffic import Busy

pytestmark = pytest.mark.lab

NAME = "p-busy"
#: how many moments for each command, a quarter of a second apart
MOMENTS = int(os.environ.get("MOMENTS") or 16)


@pytest.fixture(scope="module")
def busy(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Busy:
    return Busy(lab_hosts, tmp_path_factory.mktemp("busy"), NAME)


@pytest.mark.trust("8", "killed-under-traffic")
@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("command", ["run", "deploy", "undo", "prune"])
def test_nobody_notices(busy: Busy, command: str, moment: int) -> None:
    busy.declare("hello")
    argv: tuple[str, ...] = (command, NAME)
    if command == "run":
        argv = ("run", NAME, "--", "sleep", str(MOMENTS / 4 + 1))
    elif command == "prune":
        busy.declare("hello", "old")
        busy.deploy()
        busy.declare("hello")
        argv = ("deploy", "--prune", NAME)
    else:
        busy.edit()
        if command == "undo":
            busy.deploy()
    assert busy.killed_under_traffic(moment / 4, *argv) == {}
    busy.deploy("--prune")
