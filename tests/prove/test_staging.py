"""`make staging`: a whole set-up from nothing, checked from outside, deployed twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli import prov
from helpers.hosts import Hosts, Kind

pytestmark = pytest.mark.lab

REPO = Path(__file__).parents[2]
NAMES = ("stage-lb1", "stage-app1", "stage-app2", "stage-db1")


def test_a_staging_set_up_comes_from_nothing(lab_hosts: Hosts) -> None:
    lab_hosts.up(dict.fromkeys(NAMES, Kind()))
    prov("deploy", "staging", cwd=REPO, timeout=1200, status=0)
    checked = subprocess.run(
        [sys.executable, "examples/check_staging.py"], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("  ok  ") == 5
