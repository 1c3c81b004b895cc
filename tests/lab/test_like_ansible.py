"""Ansible's modules and prov's steps side by side: the same changes, the same hosts afterwards.

Here a sample, on one Debian, of the modules that ansible-core has; tests/prove/test_ansible.py has all of them.
docs/ansible.md lists what differs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from helpers.alike import PHASES, Both, Comparison, Row, not_run, rows
from helpers.hosts import Hosts
from helpers.samples import sample

pytestmark = pytest.mark.lab

#: Ansible takes five minutes for all of them
ROWS = sample([row for row in rows() if row.of_core and row.host == "main"], 9)


@pytest.fixture(scope="module")
def both(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Both:
    program = Path(sys.executable).with_name("ansible-playbook")
    return Comparison(lab_hosts, tmp_path_factory.mktemp("same"), "debian-12", ROWS, program).run()


@pytest.mark.parametrize("phase", PHASES)
def test_both_have_done_everything(both: Both, phase: str) -> None:
    both.check_done(phase)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
def test_the_hosts_are_the_same_after_each_change(both: Both, row: Row) -> None:
    both.check(row)


def test_every_module_of_the_docs_is_compared_or_has_a_reason() -> None:
    page = (Path(__file__).parents[2] / "docs/ansible.md").read_text()
    named = {
        name
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall("`(\\w+)`", line.split("|")[1])
    }
    compared = {name for row in rows() for name in row.names}
    assert not compared & set(not_run())
    assert compared | set(not_run()) == named
